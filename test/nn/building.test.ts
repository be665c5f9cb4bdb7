import { beforeAll, describe, expect, it, vi } from 'vitest';

// What asks for the kernels computes, and compiles them the first time: nothing that only builds may ask.
vi.mock('../../src/kernels/state.js', async (original) =>
  (await import('../support/recording.js')).recording(original as never),
);

import * as qkv from '../../src/index.js';
import { type GoodCall, invoke } from '../calls/callable.js';
import { CALLABLES } from '../calls/places.js';
import { GOOD_CALLS } from '../calls/registry.js';
import { timesAsked } from '../support/recording.js';

let compiled = 0;

beforeAll(() => {
  const { Module, Instance } = WebAssembly;
  const counted = <Made extends object>(make: new (...values: never[]) => Made) =>
    new Proxy(make, {
      construct(target, values) {
        compiled++;
        return Reflect.construct(target, values);
      },
    });
  WebAssembly.Module = counted(Module as never) as never;
  WebAssembly.Instance = counted(Instance as never) as never;
});

const SIZES = { dModel: 4, numHeads: 2 };
const MODEL = { ...SIZES, vocabularySize: 6, numLayers: 2 };

/** Options that a constructor has to look at more closely. */
const MORE: Record<string, unknown[]> = {
  'new SelfAttention': [
    { dModel: 4, scale: 2, softcap: 5, window: [2, 0], causal: true, alibi: true, dropout: 0.5 },
    { dModel: 4, numHeads: 2, sinks: new qkv.Matrix(1, 2), alibi: Float32Array.of(1, 2), mask: new Uint8Array(4) },
  ],
  'new MultiHeadAttention': [
    { ...SIZES, numKvHeads: 1, window: 2, alibi: true, softcap: 5, rope: true, sinks: true, bias: true, init: 'torch' },
    { ...SIZES, kDim: 3, vDim: 5, addZeroAttention: true, addBiasKeyValue: true, causal: 'top-left' },
  ],
  'new FeedForward': [{ dModel: 4, dHidden: 6, activation: 'swiglu', bias: true, dropout: 0.5, init: 'torch' }],
  'new TransformerBlock': [{ ...SIZES, dHidden: 6, norm: 'rms', normPlacement: 'post', window: 2, rope: { dim: 2 } }],
  'new CausalLM': [
    { ...MODEL, positions: 'learned', capacity: 8, tieEmbeddings: true, dropout: 0.5 },
    { ...MODEL, positions: 'sinusoidal', activation: 'swiglu', norm: 'rms', softcap: 5, window: 3 },
  ],
  'new KVCache': [{ capacity: 4, dK: 2, dV: 3, mode: 'ring', sinkTokens: 1 }],
};

const BUILDS = /^new |^Matrix\.(zeros|from|identity|random\w+)$|\.fromTorch$|\.createCaches?$/;

const building = CALLABLES.filter(({ name }) => BUILDS.test(name)).flatMap(({ name }) => {
  const more = (MORE[name] ?? []).map((options) => () => ({ args: [options] }));
  const good = GOOD_CALLS[name];
  return [...(good ? [good] : []), ...more].map((make, i) => [name, i, make] as [string, number, () => GoodCall]);
});

describe.each(['wasm-simd', 'javascript', 'float64'] as const)('under %s', (choice) => {
  it.each(building)('%s (%i) computes and compiles nothing', (name, _, make) => {
    const call = make();
    qkv.setKernels(choice);
    const before = [timesAsked(), compiled];
    try {
      expect(invoke(name, call)).toBeDefined();
      expect([timesAsked(), compiled]).toEqual(before);
    } finally {
      qkv.setKernels('auto');
    }
  });
});

it('every class of the surface that can be built is among them', () => {
  const classes = Object.entries(qkv).filter(([, value]) => /^class\b/.test(String(value)));
  const built = new Set(building.map(([name]) => name.replace('new ', '')));
  const others = classes.map(([name]) => name).filter((name) => !built.has(name));
  expect(others.sort()).toEqual(['Gradients', 'Module', 'Optimizer', 'ShapeError']); // of valueAndGrad, of a user, of a mistake
  for (const name of Object.keys(MORE)) expect(CALLABLES.map((callable) => callable.name)).toContain(name);
});

it('sees what does compute', () => {
  const before = timesAsked();
  qkv.setKernels('auto');
  qkv.relu(new qkv.Matrix(1, 1));
  expect(timesAsked()).toBeGreaterThan(before);
});
