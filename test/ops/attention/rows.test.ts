import { expect, it } from 'vitest';
import { Matrix } from '../../../src/matrix/matrix.js';
import { type AttentionStage, attentionWeights } from '../../../src/ops/attention/attention.js';
import type { AttentionOptions } from '../../../src/ops/attention/options.js';
import { checkRowList, rowProblem } from '../../../src/ops/attention/rows.js';
import { expectSame } from '../../support/compare.js';
import { forEachTwin } from '../../support/twins.js';

const [q, k] = [Matrix.randomNormal(9, 16, { seed: 1 }), Matrix.randomNormal(11, 8, { seed: 2 })];
/** Without a period. */
const flags = (length: number) => Uint8Array.from({ length }, (_, i) => Number(Math.sin(i * i) > -0.4));
const packed = { cuSeqlens: [0, 4, 4, 9], cuSeqlensK: [0, 5, 6, 11] };

const CASES: Record<string, AttentionOptions> = {
  plain: {},
  'causal and window': { causal: true, window: 3 },
  'causal offset, alibi': { causal: true, causalOffset: 1, alibi: true },
  'mask, bias and sinks': { mask: flags(99), bias: Matrix.randomNormal(9, 11, { seed: 3 }), sinks: new Matrix(1, 4) },
  'mask and bias a head': { mask: flags(4 * 99), bias: Matrix.randomNormal(36, 11, { seed: 3 }) },
  packed: { ...packed, causal: true, softcap: 2 },
  'packed, masks': { ...packed, mask: flags(45), keyMask: flags(11), bias: Matrix.randomNormal(36, 5, { seed: 3 }) },
};

forEachTwin(() => {
  it.each(Object.entries(CASES))('chosen rows are those rows of the whole, to the bit: %s', (_, options) => {
    const rows = [8, 0, 5, 4, 5, 3];
    const cut = options.cuSeqlens ? Array.from(options.cuSeqlens) : [0, 9];
    for (const stage of ['scaledScores', 'softcapped', 'masked', 'weights'] as AttentionStage[]) {
      const given = { numHeads: 4, numKvHeads: 2, heads: [3, 0], stage, ...options };
      const whole = attentionWeights(q, k, given);
      attentionWeights(q, k, { ...given, rows }).forEach((chosen, i) => {
        const [first, end] = [cut[i >> 1], cut[(i >> 1) + 1]];
        const own = rows.filter((row) => row >= first && row < end);
        expect([chosen.rows, chosen.cols]).toEqual([own.length, whole[i].cols]);
        expectSame(
          chosen.data,
          own.flatMap((row) => [...whole[i].row(row - first)]),
          `${stage} ${i}`,
        );
      });
    }
  });
});

it('a row is a number of q', () => {
  expect(checkRowList('f', undefined, 3)).toBeUndefined();
  expect(checkRowList('f', [2, 2], 3)).toEqual([2, 2]);
  expect(() => checkRowList('f', [3], 3)).toThrow('f: rows[0] must be an integer from 0 to 2: got 3');
  expect(rowProblem).toBeTypeOf('function');
});
