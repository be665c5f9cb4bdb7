import { describe, expect, it } from 'vitest';
import { Matrix } from '../../src/matrix.js';
import {
  type AttentionOptions,
  attentionProblem,
  checkDropout,
  dropoutOf,
  requireDivisible,
} from '../../src/ops/attention-options.js';

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

  it('places the queries: bottom-right of each sequence, or where it is told', () => {
    const cuSeqlens = { cuSeqlens: [0, 1, 3], cuSeqlensK: [0, 4, 5] };
    expect([...problem({ causal: true, ...cuSeqlens }).offsets]).toEqual([3, -1]);
    expect([...problem({ causal: 'top-left', ...cuSeqlens }).offsets]).toEqual([0, 0]);
    expect([...problem({ causalOffset: 7, ...cuSeqlens }).offsets]).toEqual([7, 7]);
  });

  it('reads the window: a number looks back only where it is causal', () => {
    const reach = (options: AttentionOptions) => [problem(options).left, problem(options).right];
    expect(reach({ window: 2 })).toEqual([2, 2]);
    expect(reach({ window: 2, causal: true })).toEqual([2, 0]);
    expect(reach({ window: [1, 3] })).toEqual([1, 3]);
    expect(reach({ window: [1, 3], causal: true })).toEqual([1, 0]);
    expect(reach({ window: [Infinity, 0] })).toEqual([Infinity, 0]);
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
