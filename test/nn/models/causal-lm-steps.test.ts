import { describe, expect, it } from 'vitest';
import { Matrix } from '../../../src/matrix/matrix.js';
import { CausalLM } from '../../../src/nn/models/causal-lm.js';
import type { CausalLMOptions } from '../../../src/nn/models/causal-lm-options.js';
import { expectClose, expectSame } from '../../support/compare.js';
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
