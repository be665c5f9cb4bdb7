import { expect, test } from 'vitest';
import { backwardKernels } from '../../../src/kernels/backward.js';
import { attentionKernels } from '../../../src/kernels/families.js';
import { provideBackward } from '../../../src/kernels/state.js';
import { Matrix } from '../../../src/matrix/matrix.js';
import { attentionGradients } from '../../../src/ops/attention/gradients.js';
import { type AttentionOptions, attentionProblem, dropoutOf } from '../../../src/ops/attention/options.js';
import { expectSame } from '../../support/compare.js';
import { forEachTwin } from '../../support/twins.js';

const normal = (rows: number, cols: number, seed: number) => Matrix.randomNormal(rows, cols, { seed });
const nan = Number.NaN;

/** Gradients for dOut, whose rows `quiet` are 0; those of q hold `poison`, and key 4 `badKey`; if NaN, its v too. */
function gradients(
  options: AttentionOptions,
  quiet: readonly number[],
  poison: number,
  dLogSumExp?: Matrix,
  badKey?: number,
) {
  provideBackward(backwardKernels);
  const [q, k, v, dOut] = [normal(4, 6, 1), normal(5, 6, 2), normal(5, 4, 3), normal(4, 4, 4)];
  for (const r of quiet) {
    q.row(r).fill(poison);
    dOut.row(r).fill(0);
  }
  if (badKey !== undefined) for (const x of Number.isNaN(badKey) ? [k, v] : [k]) x.row(4).fill(badKey);
  const all = { numHeads: 2, dropout: 0.3, seed: 4, ...options };
  const forward = Object.assign(attentionProblem('f', q, k, all), { v: v.data, dV: 2 }, dropoutOf(all, 0));
  const computed = attentionKernels().attention(forward);
  const own = { ...forward, ...computed, dOut: dOut.data, dLogSumExp: dLogSumExp?.data };
  return attentionGradients(own);
}

const OPTIONS: Record<string, AttentionOptions> = {
  nothing: {},
  'bias and sinks': { bias: normal(4, 5, 5), sinks: normal(1, 2, 6) },
  'bias a head and a mask a head': {
    bias: normal(8, 5, 5),
    mask: Uint8Array.from({ length: 40 }, (_, i) => Number(i % 3 !== 0)),
  },
  'a mask, causal': { mask: Uint8Array.from({ length: 20 }, (_, i) => Number(i % 4 !== 0)), causal: true },
  packed: { cuSeqlens: [0, 2, 4], cuSeqlensK: [0, 3, 5], bias: normal(4, 3, 5) },
  softcap: { softcap: 2 },
};

forEachTwin(() => {
  test.each(Object.entries(OPTIONS))(
    'queries of NaN and ∞ whose results do not count add nothing: %s',
    (_, options) => {
      for (const [quiet, poison] of [
        [[1], nan],
        [[0, 3], nan],
        [[0, 1, 2, 3], nan],
        [[0, 2], Infinity],
      ] as const) {
        const [clean, got] = [gradients(options, quiet, 1), gradients(options, quiet, poison)];
        for (const name of ['dQ', 'dK', 'dV', 'dBias', 'dSinks'] as const) {
          const expected = clean[name];
          expect(got[name] === undefined).toBe(expected === undefined);
          if (expected !== undefined)
            expectSame(
              Array.from(got[name] ?? [], (x) => x + 0),
              Array.from(expected, (x) => x + 0),
              name,
            );
        }
      }
    },
  );

  test.each([
    ['NaN', 'shared', nan, 0],
    ['NaN', 'a head', nan, 0],
    ['∞, which softcap makes finite', 'shared', Infinity, 2],
  ])('keys of %s that only such queries see add nothing, nor does their bias: mask %s', (_, kind, bad, softcap) => {
    const heads = kind === 'shared' ? 1 : 2;
    const mask = Uint8Array.from({ length: heads * 20 }, (_, i) => Number(i % 5 < 4 || Math.floor(i / 5) % 4 === 1));
    const bias = normal(heads * 4, 5, 5);
    const given = mask.slice();
    const clean = gradients({ mask, bias, softcap }, [1], 1);
    if (softcap === 0) for (let h = 0; h < heads; h++) bias.row(4 * h + 1).fill(nan);
    const got = gradients({ mask, bias, softcap }, [1], 1, undefined, bad);
    for (const name of ['dQ', 'dK', 'dV', 'dBias'] as const) {
      const [found, expected] = [got, clean].map((all) => Array.from(all[name] ?? [], (x) => x + 0));
      expectSame(found, expected, name);
    }
    expect(mask).toEqual(given);
  });

  test('a query of NaN whose log-sum-exp counts, for one head, does', () => {
    const dLogSumExp = new Matrix(4, 2);
    dLogSumExp.set(1, 1, 2);
    const { dQ, dK } = gradients({}, [1], nan, dLogSumExp);
    expect(dQ.subarray(6, 12).some(Number.isNaN)).toBe(true);
    expect(dK.some(Number.isNaN)).toBe(true);
    const zeros = gradients({}, [1], nan, new Matrix(4, 2));
    expect([...zeros.dQ, ...zeros.dK, ...zeros.dV].every(Number.isFinite)).toBe(true);
  });

  test('and one whose result counts does', () => {
    provideBackward(backwardKernels);
    const { dK } = gradients({}, [], nan);
    expect(dK.every(Number.isFinite)).toBe(true);
  });
});
