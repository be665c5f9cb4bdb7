import { describe, expect, it } from 'vitest';
import { valueAndGrad } from '../../../src/autograd/value-and-grad.js';
import { Matrix } from '../../../src/matrix/matrix.js';
import { CausalLM } from '../../../src/nn/models/causal-lm.js';
import type { CausalLMOptions } from '../../../src/nn/models/causal-lm-options.js';
import { crossEntropy } from '../../../src/ops/losses.js';
import { expectClose, expectSame } from '../../support/compare.js';
import { denseGradient } from '../../support/torch-training.js';
import { forEachTwin } from '../../support/twins.js';

const IDS = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7];
const OTHER = [2, 7, 1];
const SIZES: CausalLMOptions = { vocabularySize: 11, dModel: 16, numLayers: 3, numHeads: 4, capacity: 20, seed: 1 };

const MODELS: Record<string, Partial<CausalLMOptions>> = {
  rope: {},
  learned: { positions: 'learned', bias: true },
  'sinusoidal, post-norm': { positions: 'sinusoidal', normPlacement: 'post' },
  'as LLaMA': { norm: 'rms', activation: 'swiglu', numKvHeads: 2, tieEmbeddings: true, rope: { interleaved: true } },
  'windows, sinks, softcap': { window: 5, sinks: true, softcap: 3 },
};
const built = (options: Partial<CausalLMOptions> = {}) => new CausalLM({ ...SIZES, ...options }).eval();

/** The logits of ids, `chunk` at a time. */
function steps(model: CausalLM, chunk: number, caches = model.createCaches()): Matrix {
  const out: Matrix[] = [];
  for (let from = 0; from < IDS.length; from += chunk) out.push(model.step(IDS.slice(from, from + chunk), caches));
  return Matrix.concatRows(out);
}

forEachTwin(({ tolerance }) => {
  describe('CausalLM.step', () => {
    for (const [name, options] of Object.entries(MODELS)) {
      it.each([1, 3, 14])(`gives the logits of forward, to the bit: ${name}, %i at a time`, (chunk) => {
        const model = built(options);
        expectSame(steps(model, chunk).data, model.forward(IDS).data, name);
      });

      it(`goes on with several sequences at once, to the bit: ${name}`, () => {
        const model = built(options);
        const [a, b] = [model.createCaches(), model.createCaches({ capacity: 9 })];
        model.step([...IDS.slice(0, 6), ...OTHER], [a, b], { cuSeqlens: [0, 6, 9] });
        const got = model.step([...IDS.slice(6, 8), ...IDS.slice(0, 2)], [a, b]);
        const alone = [model.forward(IDS).sliceRows(6, 8), model.forward([...OTHER, ...IDS.slice(0, 2)]).sliceRows(3)];
        expectSame(got.data, Matrix.concatRows(alone).data, name);
        expect([...a, ...b].map((cache) => cache.length)).toEqual([8, 8, 8, 5, 5, 5]);
      });
    }

    describe("logits: 'last'", () => {
      const offsets = [0, 5, 6, 14];
      const ends = (logits: Matrix) => Matrix.concatRows([4, 5, 13].map((r) => logits.sliceRows(r, r + 1)));

      it.each(Object.keys(MODELS))('are the last row of each sequence, to the bit: %s', (name) => {
        const model = built(MODELS[name]);
        expectSame(model.forward(IDS, { logits: 'last' }).data, model.forward(IDS).row(13), name);
        const packed = { cuSeqlens: offsets };
        const last = model.forward(IDS, { ...packed, logits: 'last' });
        expect([last.rows, last.cols]).toEqual([3, 11]);
        expectSame(last.data, ends(model.forward(IDS, packed)).data, name);
        const lists = () => [model.createCaches(), model.createCaches(), model.createCaches()];
        const stepped = lists();
        expectSame(model.step(IDS, stepped, { ...packed, logits: 'last' }).data, last.data, name);
        expect(stepped.flat().map(({ length }) => length)).toEqual([5, 5, 5, 1, 1, 1, 8, 8, 8]);
        const caches = model.createCaches();
        expectSame(model.step(IDS.slice(0, 9), caches, { logits: 'last' }).data, model.forward(IDS).row(8), name);
        expectSame(model.step(IDS.slice(9, 10), caches, { logits: 'last' }).data, model.forward(IDS).row(9), name);
      });

      it('are as differentiable as all', () => {
        const model = built({ tieEmbeddings: true });
        const packed = { cuSeqlens: offsets };
        const targets = [3, 1, 4];
        const got = valueAndGrad(() => crossEntropy(model.forward(IDS, { ...packed, logits: 'last' }), targets));
        const all = valueAndGrad(() => crossEntropy(ends(model.forward(IDS, packed)), targets));
        expect(got.value).toBe(all.value);
        for (const [name, parameter] of model.namedParameters()) {
          expectClose(
            denseGradient(got.gradients, parameter).data,
            denseGradient(all.gradients, parameter).data,
            tolerance,
            name,
          );
        }
      });
    });

    it('in rings sees the last tokens of a layer, and goes on past every capacity but that of the model', () => {
      const model = built({ capacity: undefined, window: 4 }); // each query sees itself and four more
      const ring = model.createCaches({ capacity: 5, mode: 'ring' });
      expectClose(steps(model, 1, ring).data, model.forward(IDS).data, tolerance);
      expect(ring[0].position).toBe(14);
      expectClose(
        steps(model, 8, model.createCaches({ capacity: 5, mode: 'ring' })).data,
        model.forward(IDS).data,
        tolerance,
      );
    });
  });
});

describe('CausalLM.createCaches', () => {
  it('makes one a layer, as large as the model asks for', () => {
    expect(
      built()
        .createCaches()
        .map(({ capacity, mode }) => [capacity, mode]),
    ).toEqual(Array(3).fill([20, 'linear']));
    expect(built({ capacity: undefined }).createCaches()[0].capacity).toBe(1024);
    expect(built().createCaches({ capacity: 7, mode: 'ring', sinkTokens: 2 })[2]).toMatchObject({
      capacity: 7,
      sinkTokens: 2,
    });
  });
});

describe('CausalLM.step', () => {
  it('changes no cache where a step is refused', () => {
    const model = built();
    const caches = model.createCaches({ capacity: 8 });
    model.step([1, 2, 3], caches);
    const refused: [() => unknown, string][] = [
      [() => model.step([1, 2, 3, 4, 5, 6], caches), 'CausalLM.step: the rows must fit: 3 held, 6 more, capacity 8'],
      [() => model.step([11], caches), 'CausalLM.step: ids must be integers from 0 to 10: ids[0] is 11'],
      [() => model.step([1], caches.slice(1)), 'CausalLM.step: caches must hold one for each of the 3 layers: got 2'],
      [() => model.step([1, 2], [caches, caches]), 'each once: caches[3] is caches[0]'],
      [
        () => model.step([1], [caches, model.createCaches()], { logits: 'last', cuSeqlens: [0, 1, 1] }),
        "CausalLM.step: every sequence must have a token with logits: 'last': sequence 1 has none",
      ],
      [() => model.step([], caches, { logits: 'last' }), 'sequence 0 has none'],
      [() => model.step([1], [caches[0], caches[1], caches[1]]), 'each once: caches[2] is caches[1]'],
    ];
    for (const [call, message] of refused) expect(call).toThrow(message);
    const [first, ...rest] = caches.map((cache) => cache.fork());
    first.truncate(2);
    expect(() => model.step([1], [first, ...rest])).toThrow(
      'CausalLM.step: the caches of a sequence must be at one position: got [2, 3, 3]',
    );
    const wide = built({ capacity: 4 });
    const ring = wide.createCaches({ capacity: 8, mode: 'ring' });
    wide.step([1, 2, 3], ring);
    expect(() => wide.step([1, 2], ring)).toThrow(
      'CausalLM.step: a sequence must have at most capacity = 4 tokens: got 5',
    );
    expect([...caches, ...ring].map((cache) => cache.position)).toEqual(Array(6).fill(3));
  });
});
