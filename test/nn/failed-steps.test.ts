import { describe, expect, it } from 'vitest';
import { valueAndGrad } from '../../src/autograd/value-and-grad.js';
import { Matrix } from '../../src/matrix/matrix.js';
import { ATTENTION_HOOK_NAMES } from '../../src/nn/attention/attention-hooks.js';
import { restoring } from '../../src/nn/attention/cached-steps.js';
import { MultiHeadAttention } from '../../src/nn/attention/multi-head-attention.js';
import { CausalLM } from '../../src/nn/models/causal-lm.js';
import { TransformerBlock } from '../../src/nn/models/transformer-block.js';
import { KVCache } from '../../src/ops/cache/kv-cache.js';
import { expectSame } from '../support/compare.js';
import { forEachTwin } from '../support/twins.js';

const MODES = {
  linear: { capacity: 40 },
  ring: { capacity: 5, mode: 'ring' },
  'ring with sinks': { capacity: 6, mode: 'ring', sinkTokens: 2 },
} as const;

function fails(): never {
  throw new Error('on purpose');
}

/** While it is in place the method throws. */
function breaking<Name extends string>(owner: { [name in Name]: (...args: never[]) => unknown }, name: Name) {
  const own = Object.getOwnPropertyDescriptor(owner, name);
  Object.defineProperty(owner, name, { value: fails, configurable: true, writable: true });
  return () => {
    if (own === undefined) delete (owner as Record<string, unknown>)[name];
    else Object.defineProperty(owner, name, own);
  };
}

/** Every place at which a step of the model may fail: each breaks it and gives what mends it. */
function places(model: CausalLM): Record<string, () => () => void> {
  const found: Record<string, () => () => void> = {
    'model.norm': () => breaking(model.norm, 'forward'),
    'model.head': () => breaking(model.head as NonNullable<typeof model.head>, 'forward'),
    'model.embeddingDropout': () => breaking(model.embeddingDropout, 'forward'),
  };
  for (const [i, layer] of model.layers.entries()) {
    for (const name of ATTENTION_HOOK_NAMES)
      found[`layer ${i}, ${name}`] = () => layer.attention.addHook(name, fails, { heads: [1] });
    for (const part of ['norm1', 'norm2', 'feedForward', 'dropout1', 'dropout2'] as const) {
      found[`layer ${i}, ${part}`] = () => breaking(layer[part], 'forward');
    }
    found[`layer ${i}, W_O`] = () => {
      const { W_O } = layer.attention;
      Object.defineProperty(layer.attention, 'W_O', { get: fails, configurable: true });
      return () => Object.defineProperty(layer.attention, 'W_O', { value: W_O, configurable: true, enumerable: true });
    };
  }
  return found;
}

const built = () =>
  new CausalLM({ vocabularySize: 11, dModel: 8, numLayers: 2, numHeads: 2, window: 9, seed: 1 }).eval();
const tokens = (count: number, from: number) => Array.from({ length: count }, (_, i) => (from * 7 + i * 3) % 11);

forEachTwin(() => {
  describe.each(Object.entries(MODES))('a failed step in a %s cache', (_, mode) => {
    // Rows held before it, and rows of the step: none, some, exactly full, over the edge, far behind it, more than all.
    it.each([
      [0, 1],
      [3, 1],
      [3, 4],
      [5, 1],
      [6, 1],
      [9, 1],
      [9, 3],
      [9, 14],
    ])('leaves no trace, wherever it fails: %i rows before, %i more', (before, count) => {
      const model = built();
      const control = model.createCaches(mode);
      if (before > 0) model.step(tokens(before, 1), control);
      const start = control.map((cache) => cache.fork());
      const expected = [model.step(tokens(count, 2), control), model.step(tokens(2, 3), control)];
      for (const [place, breaks] of Object.entries(places(model))) {
        const caches = start.map((cache) => cache.fork());
        const mend = breaks();
        expect(() => model.step(tokens(count, 2), caches), place).toThrow(/on purpose/);
        expect(() => model.step(tokens(1, 5), caches), place).toThrow(/on purpose/);
        mend();
        expect(caches.map((cache) => cache.position)).toEqual([before, before]);
        expectSame(model.step(tokens(count, 2), caches).data, expected[0].data, place);
        expectSame(model.step(tokens(2, 3), caches).data, expected[1].data, place);
      }
    });

    it('leaves no trace in any of several caches, of which some are forks', () => {
      const model = built();
      const first = model.createCaches(mode);
      model.step(tokens(8, 1), first);
      const second = first.map((cache) => cache.fork());
      model.step(tokens(3, 4), second);
      const [a, b] = [first, second].map((caches) => caches.map((cache) => cache.fork()));
      const step = (lists: KVCache[][]) => model.step(tokens(4, 2), lists, { cuSeqlens: [0, 3, 4] });
      const expected = [step([a, b]), model.step(tokens(2, 3), [a, b])];
      for (const name of ATTENTION_HOOK_NAMES) {
        const mend = model.layers[1].attention.addHook(name, (_value, { sequence }) =>
          sequence === 0 ? undefined : fails(),
        );
        expect(() => step([first, second]), name).toThrow(/on purpose/);
        mend();
      }
      expectSame(step([first, second]).data, expected[0].data);
      expectSame(model.step(tokens(2, 3), [first, second]).data, expected[1].data);
    });

    it('of a layer or a block leaves no trace, also to what reads the rows appended before', () => {
      const x = Matrix.randomNormal(20, 8, { seed: 1 });
      const layer = new MultiHeadAttention({ dModel: 8, numHeads: 2, seed: 2 });
      const block = new TransformerBlock({ dModel: 8, numHeads: 2, dHidden: 8, seed: 2 }).eval();
      const cache = layer.createCache(mode);
      layer.step(x.sliceRows(0, 7), cache);
      layer.step(x.sliceRows(7, 10), cache);
      const read = () => [cache.position, ...cache.attend(x.sliceRows(17)).data];
      const before = read();
      const failing: [() => () => void, () => unknown][] = [
        [() => layer.addHook('hook_z', fails), () => layer.step(x.sliceRows(10, 12), cache)],
        [() => breaking(block.feedForward, 'forward'), () => block.step(x.sliceRows(10, 11), cache)],
        [() => breaking(block.norm2, 'forward'), () => block.step(x.sliceRows(3), cache)],
      ];
      for (const [breaks, step] of failing) {
        const mend = breaks();
        expect(step).toThrow('on purpose');
        mend();
        expectSame(read(), before);
      }
    });
  });

  it('restoring puts back whatever happened to the caches', () => {
    const rows = (count: number, seed: number) => Matrix.randomNormal(count, 2, { seed });
    for (const mode of Object.values(MODES)) {
      const cache = new KVCache({ ...mode, dK: 2 });
      for (const [i, count] of [4, 6, 1].entries()) cache.append(rows(count, i), rows(count, i + 9));
      const read = () => [cache.position, cache.length, cache.byteLength, ...cache.attend(rows(1, 7)).data];
      const before = read();
      const changes = [
        () => cache.reset(),
        () => cache.append(rows(1, 3), rows(1, 4)),
        () => cache.append(rows(9, 5), rows(9, 6)),
        () => expect(() => restoring([cache], fails)).toThrow('on purpose'),
        () => restoring([cache], () => cache.append(rows(2, 5), rows(2, 6))),
        () => cache.append(new Matrix(0, 2), new Matrix(0, 2)),
      ];
      for (let first = 0; first < changes.length; first++) {
        const all = () => {
          for (let i = 0; i < changes.length; i++) changes[(first + i) % changes.length]();
          fails();
        };
        expect(() => restoring([cache], all)).toThrow('on purpose');
        expectSame(read(), before);
      }
    }
  });

  it('a failed step inside valueAndGrad leaves no trace, one that was whole before it does', () => {
    const model = built();
    const caches = model.createCaches(MODES.ring);
    model.step(tokens(8, 1), caches);
    const mend = breaking(model.layers[1].feedForward, 'forward');
    expect(() => valueAndGrad(() => model.step(tokens(1, 2), caches).sum())).toThrow('on purpose');
    expect(caches.map((cache) => cache.position)).toEqual([8, 8]);
    mend();
    const failing = () => {
      model.step(tokens(1, 3), caches);
      return fails();
    };
    expect(() => valueAndGrad(failing)).toThrow('on purpose');
    expect(caches.map((cache) => cache.position)).toEqual([9, 9]);
  });
});
