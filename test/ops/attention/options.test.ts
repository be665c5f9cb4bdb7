import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { ShapeError } from '../../../src/core/errors.js';
import { Matrix } from '../../../src/matrix/matrix.js';
import {
  type AttentionOptions,
  attentionProblem,
  checkDropout,
  checkLayerOptions,
  dropoutOf,
  requireDivisible,
} from '../../../src/ops/attention/options.js';

const problem = (options: AttentionOptions, lq = 3, lk = 5, cols = 24) =>
  attentionProblem(
    'f',
    new Matrix(lq, cols),
    new Matrix(lk, (cols / (options.numHeads ?? 1)) * (options.numKvHeads ?? options.numHeads ?? 1)),
    options,
  );

describe('attentionProblem', () => {
  it('fills in the defaults', () => {
    expect(problem({})).toMatchObject({
      numHeads: 1,
      numKvHeads: 1,
      dK: 24,
      scale: 1 / Math.sqrt(24),
      softcap: 0,
      left: Infinity,
      right: Infinity,
      columns: 5,
    });
    expect([...problem({}).offsets]).toEqual([2]);
    expect(problem({ numHeads: 12, numKvHeads: 3 })).toMatchObject({ dK: 2, numKvHeads: 3, scale: 1 / Math.sqrt(2) });
  });

  it('tells a mask or bias a head from a shared one by its size', () => {
    expect(problem({ numHeads: 2, mask: new Uint8Array(15) }).maskRowsPerHead).toBe(0);
    expect(problem({ numHeads: 2, mask: new Uint8Array(30) }).maskRowsPerHead).toBe(3);
    expect(problem({ numHeads: 2, bias: new Matrix(3, 5) }).biasRowsPerHead).toBe(0);
    expect(problem({ numHeads: 2, bias: new Matrix(6, 5) }).biasRowsPerHead).toBe(3);
    expect([...(problem({ mask: [[true, false, true, true, false]] }, 1).mask ?? [])]).toEqual([1, 0, 1, 1, 0]);
  });

  // Press, Smith, Lewis 2022: 2^−1 … 2^−8 for 8 heads; for 12 those of 8 and every second of 16.
  it('has the published ALiBi slopes', () => {
    expect([...(problem({ numHeads: 8, alibi: true }).alibi ?? [])]).toEqual(
      [1, 2, 3, 4, 5, 6, 7, 8].map((i) => 2 ** -i),
    );
    const twelve = [1, 2, 3, 4, 5, 6, 7, 8, 0.5, 1.5, 2.5, 3.5].map((i) => Math.fround(2 ** -i));
    expect([...(problem({ numHeads: 12, alibi: true }).alibi ?? [])]).toEqual(twelve);
  });
});

describe('checkLayerOptions', () => {
  const heads = { numHeads: 2, dK: 3 };

  it('refuses in its words what a call would refuse', () => {
    const wrong: AttentionOptions[] = [
      { scale: Number.NaN },
      { softcap: -1 },
      { causal: 1 as never },
      { causal: 'top-left', causalOffset: 2 },
      { window: [1, 2, 3] as never },
      { window: 1.5 },
      { alibi: new Float32Array(3) },
      { alibi: Float32Array.of(1, Number.NaN) },
      { sinks: new Matrix(1, 3) },
    ];
    for (const options of wrong) {
      const [built, called] = [
        () => checkLayerOptions('f', heads, options),
        () => problem({ ...options, numHeads: 2 }, 0, 0, 6),
      ].map((call) => {
        try {
          return call();
        } catch (error) {
          return error;
        }
      });
      expect(built, JSON.stringify(options)).toBeInstanceOf(Error);
      expect(built).toEqual(called);
    }
  });

  it('takes what a call would take', () => {
    const sinks = new Matrix(1, 2);
    checkLayerOptions('f', heads, { scale: 2, softcap: 30, causal: true, window: 4, alibi: true, sinks });
    checkLayerOptions('f', heads, {});
  });
});

describe('masks and biases', () => {
  const heads: AttentionOptions = { numHeads: 2 };
  it.each([1, 2, 4, 5, 7])('with the right columns and %i rows are refused', (rows) => {
    const rule = (name: string) => `f: ${name} must be (Lq × Lk) = 3×5 or (numHeads·Lq × Lk) = 6×5: got`;
    const mask = new Uint8Array(rows * 5);
    expect(() => problem({ ...heads, mask })).toThrow(`${rule('mask')} ${rows * 5} entries`);
    const lists = Array.from({ length: rows }, () => new Array<boolean>(5).fill(true));
    expect(() => problem({ ...heads, mask: lists })).toThrow(`${rule('mask')} ${rows} rows`);
    expect(() => problem({ ...heads, bias: new Matrix(rows, 5) })).toThrow(`${rule('bias')} ${rows}×5`);
  });

  it.each([4, 6])('with the right rows and %i columns are refused', (columns) => {
    const lists = Array.from({ length: 3 }, () => new Array<boolean>(columns).fill(true));
    expect(() => problem({ mask: lists })).toThrow(`row 0 has ${columns} entries`);
    expect(() => problem({ bias: new Matrix(3, columns) })).toThrow(`got 3×${columns}`);
    expect(() => problem({ keyMask: new Uint8Array(columns) })).toThrow(`got ${columns}`);
  });

  it('for all heads and for each are told apart', () => {
    expect(problem({ ...heads, mask: new Uint8Array(15), bias: new Matrix(6, 5) })).toMatchObject({
      maskRowsPerHead: 0,
      biasRowsPerHead: 3,
    });
    expect(problem({ ...heads, mask: new Uint8Array(30), bias: new Matrix(3, 5) })).toMatchObject({
      maskRowsPerHead: 3,
      biasRowsPerHead: 0,
    });
  });

  it('may come from another realm', () => {
    const foreign = <T>(code: string) => runInNewContext(code) as T;
    const given = problem({
      mask: foreign('Uint8Array.from({ length: 15 }, (_, i) => i % 2)'),
      keyMask: foreign('Uint8Array.of(1, 0, 1, 1, 0)'),
      alibi: foreign('Float32Array.of(0.5)'),
      window: foreign('[2, 0]'),
      cuSeqlens: foreign('[0, 3]'),
      cuSeqlensK: foreign('Int32Array.of(0, 5)'),
    });
    expect(Array.from(given.mask ?? [])).toEqual(Array.from({ length: 15 }, (_, i) => i % 2));
    expect([Array.from(given.keyMask ?? []), Array.from(given.alibi ?? [])]).toEqual([[1, 0, 1, 1, 0], [0.5]]);
    expect([given.left, given.right]).toEqual([2, 0]);
    const lists = foreign<boolean[][]>('[1, 2, 3].map((i) => [true, false, i > 1, true, true])');
    expect(Array.from(problem({ mask: lists }).mask ?? [])).toEqual(lists.flat().map(Number));
    expect(() => problem({ keyMask: foreign('new Uint8ClampedArray(5)') })).toThrow(TypeError);
    expect(() => problem({ mask: foreign('new Int8Array(15)') })).toThrow(TypeError);
  });
});

describe('how far a query sees', () => {
  it.each([1.5, [1.5, 0], [0, 1.5], -1, [0, -1], Number.NaN, [Number.NEGATIVE_INFINITY, 0]])(
    'is no window of %s',
    (window) => {
      const rule = 'f: window must be an integer of at least 0, or Infinity for open: got';
      expect(() => problem({ window: window as number })).toThrow(rule);
    },
  );

  it('is that of the first query from position 0 on for top-left, also with a causalOffset of 0', () => {
    for (const causalOffset of [undefined, 0, -0]) {
      expect(Array.from(problem({ causal: 'top-left', causalOffset }).offsets)).toEqual([0]);
    }
    expect(Array.from(problem({ causal: true, causalOffset: 0 }).offsets)).toEqual([0]);
    expect(Array.from(problem({ causal: true }).offsets)).toEqual([2]);
    for (const causalOffset of [1, -1]) expect(() => problem({ causal: 'top-left', causalOffset })).toThrow(ShapeError);
  });
});

describe('dropout', () => {
  it('takes the seed it is given, and none where nothing drops', () => {
    expect(dropoutOf({ dropout: 0.5, seed: 2 ** 32 + 3 }, 6)).toEqual({
      dropout: 0.5,
      seedLow: 3,
      seedHigh: 1,
      call: 6,
    });
    expect(dropoutOf({ seed: 5 }, 0)).toEqual({ dropout: 0, seedLow: 0, seedHigh: 0, call: 0 });
    expect(() => checkDropout('f', { dropout: 1.1 })).toThrow(
      'f: dropout must be a finite number from 0 to 1: got 1.1',
    );
  });
});

describe('requireDivisible', () => {
  it('gives the width of a head', () => {
    expect(requireDivisible('f', 'q', new Matrix(1, 12), 'numHeads', 3)).toBe(4);
    expect(() => requireDivisible('f', 'q', new Matrix(1, 12), 'numHeads', 5)).toThrow('12 is not divisible by 5');
  });
});
