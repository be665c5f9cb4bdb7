import { expect, test } from 'vitest';
import {
  CausalLM,
  Embedding,
  FeedForward,
  LearnedPositions,
  Linear,
  Matrix,
  Module,
  MultiHeadAttention,
  SelfAttention,
  ShapeError,
  type StoredTensor,
  setKernels,
  setSeed,
  TransformerBlock,
} from '../../src/index.js';
import { forEachTwin } from '../support/twins.js';
import { libraryState, picture, stateAfter } from './state.js';

class Layers extends Module {
  first = new Linear(3, 2, { bias: true });
  attention = new MultiHeadAttention({ dModel: 4, numHeads: 2, dropout: 0.5 });
  last = new Linear(2, 5);
}

/** The call throws, and what it was given is the same to the bit. */
function expectUntouched(call: () => unknown, ...things: unknown[]): void {
  const before = picture(things);
  expect(call).toThrow();
  expect(picture(things)).toBe(before);
}

forEachTwin(() => {
  test('a state dict whose last tensor is bad loads nothing', () => {
    const target = new Layers();
    const bad: Partial<Record<keyof StoredTensor, unknown>>[] = [
      { dtype: 'F64' },
      { shape: [5, 2] },
      { shape: null },
      { data: new Float32Array(9) },
      { data: undefined },
    ];
    for (const change of bad) {
      const state = new Layers().stateDict();
      const last = [...state.keys()].at(-1) as string;
      state.set(last, { ...state.get(last), ...change } as StoredTensor);
      expectUntouched(() => target.loadStateDict(state), target, state);
    }
    const short = new Layers().stateDict();
    short.delete('last.W');
    expectUntouched(() => target.loadStateDict(short), target, short);
    const long = new Layers().stateDict().set('more', { dtype: 'F32', shape: [0, 0], data: new Float32Array(0) });
    expectUntouched(() => target.loadStateDict(long), target, long);
    const before = picture(target.stateDict());
    target.loadStateDict(new Layers().stateDict());
    expect(picture(target.stateDict())).not.toBe(before); // a good one does load
  });

  test('a write outside a matrix, or of no number, writes nothing', () => {
    const a = Matrix.from([
      [1, -0],
      [Number.NaN, 4],
    ]);
    for (const [r, c] of [
      [2, 0],
      [0, 2],
      [-1, 0],
      [0, -1],
      [0.5, 0],
      [Number.NaN, 0],
    ]) {
      expectUntouched(() => a.set(r, c, 9), a);
    }
    expectUntouched(() => a.set(0, 0, '9' as unknown as number), a);
  });

  test('a refused forward call is not counted as one that dropped', () => {
    const x = Matrix.randomNormal(5, 4, { seed: 1 });
    const mask = new Uint8Array(7);
    const layers = [
      new SelfAttention({ dModel: 4, dropout: 0.5, seed: 1 }),
      new MultiHeadAttention({ dModel: 4, numHeads: 2, dropout: 0.5, seed: 1 }),
      new MultiHeadAttention({ dModel: 4, numHeads: 2, dropout: 0.5, seed: 1, addBiasKeyValue: true }),
    ];
    for (const layer of layers) {
      expectUntouched(() => layer.forward(x, { mask }), layer, x, mask);
      expect(layer.dropoutCalls).toBe(0);
      layer.forward(x);
      expect(layer.dropoutCalls).toBe(1);
    }
  });

  test('a refused forward call of a model counts nowhere in it', () => {
    const block = new TransformerBlock({ dModel: 4, numHeads: 2, dHidden: 6, dropout: 0.5, normPlacement: 'post' });
    const x = Matrix.randomNormal(5, 4, { seed: 1 });
    expectUntouched(() => block.forward(x, { mask: new Uint8Array(7) }), block, x);
    const sizes = { vocabularySize: 6, dModel: 4, numLayers: 2, numHeads: 2, capacity: 4, dropout: 0.5 };
    const model = new CausalLM({ ...sizes, positions: 'learned' });
    expectUntouched(() => model.forward([0, 1, 2, 3, 4]), model);
    expectUntouched(() => model.forward([0, 1, 6]), model);
    expectUntouched(() => model.forward([0, 1, 2], { cuSeqlens: [0, 2] }), model);
    const state = model.dropoutState();
    state.set([...state.keys()].at(-1) as string, { dtype: 'F64', shape: [2], data: Float64Array.of(1, 0.5) });
    expectUntouched(() => model.loadDropoutState(state), model, state);
  });

  test('a wrong dropout or seed is refused in evaluation mode too', () => {
    const layer = new SelfAttention({ dModel: 4, seed: 1 }).eval();
    const x = new Matrix(2, 4);
    expect(() => layer.forward(x, { dropout: 2 })).toThrow(ShapeError);
    expect(() => layer.forward(x, { seed: -1 })).toThrow(ShapeError);
  });

  test('a refused constructor draws no seed', () => {
    const untouched = stateAfter(3);
    const refused = [
      () => new Linear(2 ** 20, 2 ** 20),
      () => new Embedding(2 ** 20, 2 ** 20),
      () => new Embedding(4, 4, { paddingIndex: 4 }),
      () => new SelfAttention({ dModel: 4, window: -1 }),
      () => new SelfAttention({ dModel: 4, dV: 2 ** 31 }),
      () => new MultiHeadAttention({ dModel: 4, numHeads: 2, rope: { dim: 1 } }),
      () => new MultiHeadAttention({ dModel: 4, numHeads: 2, softcap: -1 }),
      () => new MultiHeadAttention({ dModel: 4, numHeads: 2, dK: 2, kDim: 2 ** 31 }),
      () => new FeedForward({ dModel: 4, dHidden: 2 ** 31 }),
      () => new LearnedPositions(2 ** 20, 2 ** 20),
      () => new TransformerBlock({ dModel: 4, numHeads: 2, dHidden: 6, epsilon: -1 }),
      () => new TransformerBlock({ dModel: 4, numHeads: 2, dHidden: 6, window: -1 }),
      () => new CausalLM({ vocabularySize: 6, dModel: 4, numLayers: 2, numHeads: 2, positions: 'learned' }),
      () => new CausalLM({ vocabularySize: 2 ** 31, dModel: 4, numLayers: 2, numHeads: 2 }),
      () => Matrix.randomNormal(2, -1),
      () => Matrix.randomUniform(2, 2 ** 31),
      () => setSeed(-1),
      () => setKernels('gpu' as never),
    ];
    for (const call of refused) {
      setSeed(3);
      expect(call).toThrow();
      expect(libraryState(), String(call)).toBe(untouched);
    }
    new Linear(1, 1);
    expect(libraryState()).not.toBe(untouched); // a good one does draw
  });

  test('train with no boolean leaves every mode as it was', () => {
    const layers = new Layers().eval();
    expectUntouched(() => layers.train('yes' as unknown as boolean), layers);
    expect(layers.last.training).toBe(false);
  });
});

test('the picture sees every bit', () => {
  expect(picture(Float32Array.of(0))).not.toBe(picture(Float32Array.of(-0)));
  expect(picture(Float64Array.of(1))).not.toBe(picture(Float64Array.of(1 + 2 ** -52)));
  expect(picture([0])).not.toBe(picture([-0]));
  expect(picture(new Matrix(2, 3))).not.toBe(picture(new Matrix(3, 2)));
  expect(picture(new Map([['a', 1]]))).not.toBe(picture(new Map([['a', 2]])));
  const layer = new SelfAttention({ dModel: 4, seed: 1 });
  const before = picture(layer);
  layer.dropoutCalls++;
  expect(picture(layer)).not.toBe(before);
});
