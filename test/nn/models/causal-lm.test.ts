import { describe, expect, it } from 'vitest';
import type { SparseGradient } from '../../../src/autograd/gradients.js';
import { valueAndGrad } from '../../../src/autograd/value-and-grad.js';
import { Matrix } from '../../../src/matrix/matrix.js';
import { CausalLM } from '../../../src/nn/models/causal-lm.js';
import type { CausalLMOptions } from '../../../src/nn/models/causal-lm-options.js';
import { crossEntropy } from '../../../src/ops/losses.js';
import { sinusoidalPositions } from '../../../src/ops/positions.js';
import { expectClose, expectSame } from '../../support/compare.js';
import { describeModelGradients } from '../../support/model-gradients.js';
import { forEachTwin } from '../../support/twins.js';

const sizes: CausalLMOptions = { vocabularySize: 11, dModel: 8, numLayers: 2, numHeads: 2, seed: 1 };
const ids = [3, 1, 4, 1, 5, 9];
const POSITIONS = ['rope', 'learned', 'sinusoidal'] as const;

/** A model that knows positions in one of the ways. */
function built(options: Partial<CausalLMOptions> = {}): CausalLM {
  return new CausalLM({ ...sizes, capacity: 16, ...options });
}

/** The layers, the norm and the logits by hand. */
function logitsOf(model: CausalLM, embedded: Matrix): Matrix {
  const x = model.norm.forward(model.layers.reduce((y, layer) => layer.forward(y), embedded));
  return model.head ? x.matmul(model.head.W) : x.matmul(model.embedding.table.transpose());
}

forEachTwin(({ tolerance }) => {
  describe('CausalLM', () => {
    it('is embeddings, positions, layers, norm and logits', () => {
      for (const tieEmbeddings of [false, true]) {
        const rope = built({ tieEmbeddings });
        expectClose(rope.forward(ids).data, logitsOf(rope, rope.embedding.forward(ids)).data, tolerance);
        const learned = built({ tieEmbeddings, positions: 'learned' });
        const rows = learned.learnedPositions?.table.sliceRows(0, 6) as Matrix;
        const x = learned.embedding.forward(ids).add(rows);
        expectClose(learned.forward(ids).data, logitsOf(learned, x).data, tolerance);
        const sinusoidal = built({ tieEmbeddings, positions: 'sinusoidal' });
        const waves = sinusoidal.embedding.forward(ids).add(sinusoidalPositions(6, 8));
        expectClose(sinusoidal.forward(ids).data, logitsOf(sinusoidal, waves).data, tolerance);
      }
    });

    it.each(POSITIONS)('a later token changes no earlier row, with %s positions', (positions) => {
      const model = built({ positions });
      const [before, after] = [model.forward(ids), model.forward([...ids.slice(0, 4), 0, 9])];
      expectSame(after.sliceRows(0, 4).data, before.sliceRows(0, 4).data);
      expect(after.get(4, 0)).not.toBe(before.get(4, 0));
    });

    it.each(POSITIONS)('packed sequences come out as alone, with %s positions', (positions) => {
      const model = built({ positions });
      const out = model.forward(ids, { cuSeqlens: [0, 2, 2, 6] });
      const alone = [ids.slice(0, 2), ids.slice(2)].map((sequence) => model.forward(sequence));
      expectSame(out.data, Matrix.concatRows(alone).data);
      expect(model.forward([], { cuSeqlens: [0] }).rows).toBe(0);
      expect(model.forward([]).cols).toBe(11);
    });

    it.each(POSITIONS)('knows the order of tokens by %s positions', (positions) => {
      const model = built({ positions });
      const last = (tokens: number[]) => [...model.forward(tokens).row(2)];
      expect(last([1, 2, 3])).not.toEqual(last([2, 1, 3]));
    });

    it('takes a tied table once, and gives its gradient whole', () => {
      const model = built({ tieEmbeddings: true });
      const { gradients } = valueAndGrad(() => crossEntropy(model.forward(ids), ids));
      expect(gradients.get(model.embedding.table)).toBeInstanceOf(Matrix);
      expect([...model.namedParameters().keys()].filter((name) => /table|head/.test(name))).toEqual([
        'embedding.table',
      ]);
      expect(model.parameters()[0]).toBe(model.embedding.table);
    });

    it('moves only the embeddings that were used, where the table is not tied', () => {
      const model = built({ positions: 'learned' });
      const { gradients } = valueAndGrad(() => crossEntropy(model.forward(ids), ids));
      expect([...(gradients.get(model.embedding.table) as SparseGradient).rows]).toEqual([1, 3, 4, 5, 9]);
      const positions = model.learnedPositions?.table as Matrix;
      expect([...(gradients.get(positions) as SparseGradient).rows]).toEqual([0, 1, 2, 3, 4, 5]);
    });

    it('has gradients of its parameters and of nothing else', () => {
      for (const positions of POSITIONS) {
        const model = built({ positions });
        const { gradients } = valueAndGrad(() => crossEntropy(model.forward(ids), ids));
        expect(new Set([...gradients.entries()].map(([x]) => x))).toEqual(new Set(model.parameters()));
      }
    });

    it('drops everywhere in training mode, nowhere in evaluation, and goes on from its states', () => {
      const model = built({ dropout: 0.5 });
      const state = model.dropoutState();
      const seeds = [model, built({ seed: 2 })].flatMap((one) =>
        [...one.dropoutState().values()].map(({ data }) => data[0]),
      );
      expect(new Set(seeds).size).toBe(2 * (1 + 2 * 4));
      const first = model.forward(ids);
      expect([...model.forward(ids).data]).not.toEqual([...first.data]);
      for (const path of state.keys()) {
        model.loadDropoutState(state);
        const skipped = new Map(state).set(path, { dtype: 'F64', shape: [2], data: Float64Array.of(1, 1) });
        model.loadDropoutState(skipped);
        expect([...model.forward(ids).data], `${path} counts`).not.toEqual([...first.data]);
      }
      const copy = built({ dropout: 0.5, seed: 9 });
      copy.loadStateDict(model.stateDict());
      copy.loadDropoutState(model.dropoutState());
      expectSame(copy.forward(ids).data, model.forward(ids).data);
      const quiet = built();
      quiet.loadStateDict(model.stateDict());
      expectSame(model.eval().forward(ids).data, quiet.forward(ids).data);
    });

    it('counts no call that throws', () => {
      const model = built({ dropout: 0.5, capacity: 4 });
      const before = model.dropoutState();
      expect(() => model.forward(ids)).toThrow('CausalLM: a sequence must have at most capacity = 4 tokens: got 6');
      expect(() => model.forward([11])).toThrow('ids must be integers from 0 to 10: ids[0] is 11');
      expect(() => model.forward(ids, { cuSeqlens: [0, 5] })).toThrow('CausalLM: cuSeqlens must');
      expect(model.forward(ids, { cuSeqlens: [0, 3, 6] }).rows).toBe(6);
      model.loadDropoutState(before);
    });
  });
});

describe('CausalLM', () => {
  const variants: Record<string, Partial<CausalLMOptions>> = {
    rope: { tieEmbeddings: true, activation: 'gelu', bias: true },
    learned: { positions: 'learned', norm: 'rms', activation: 'swiglu', dropout: 0.25 },
    sinusoidal: { positions: 'sinusoidal', normPlacement: 'post', activation: 'silu', sinks: true },
  };
  for (const [name, options] of Object.entries(variants)) {
    describeModelGradients(`has the gradients of the whole model, with ${name} positions`, () => {
      const model = built({ dHidden: 6, ...options });
      const state = model.dropoutState();
      const f = () => {
        model.loadDropoutState(state);
        return crossEntropy(model.forward(ids, { cuSeqlens: [0, 4, 6] }), [1, 4, 1, -100, 9, 2]);
      };
      return { module: model, f };
    });
  }

  it('starts with a loss near that of knowing nothing', () => {
    const model = new CausalLM({
      vocabularySize: 200,
      dModel: 64,
      numLayers: 4,
      numHeads: 4,
      tieEmbeddings: true,
      seed: 1,
    });
    const tokens = Array.from({ length: 100 }, (_, i) => (i * 37) % 200);
    const loss = crossEntropy(model.forward(tokens), [...tokens.slice(1), 0]).get(0, 0);
    // Logits of variance 1 add about half of it to log 200; x, in a tied table, likes the token it came from.
    expect(Math.abs(loss - Math.log(200))).toBeLessThan(1);
    const { data } = model.embedding.table;
    expect(Math.abs(data.reduce((sum, value) => sum + value * value, 0) / 200 - 1)).toBeLessThan(
      5 * Math.sqrt(2 / 12800),
    );
  });

  it('refuses what contradicts itself', () => {
    expect(() => built({ positions: 'learned', capacity: undefined })).toThrow('capacity must be given');
    expect(() => built({ positions: 'learned', rope: {} })).toThrow("rope must come with positions: 'rope'");
    expect(() => built({ numLayers: 2 ** 31 })).toThrow('CausalLM: numLayers must be at most 16384');
  });
});
