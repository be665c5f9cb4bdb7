import { describe, expect, it } from 'vitest';
import { valueAndGrad } from '../../src/autograd/value-and-grad.js';
import { Matrix } from '../../src/matrix/matrix.js';
import { attentionLogSumExp, scaledDotProductAttention } from '../../src/ops/attention/attention.js';
import type { AttentionOptions } from '../../src/ops/attention/options.js';
import { expectTable } from '../support/compare.js';
import { forEachTwin } from '../support/twins.js';

const normal = (rows: number, cols: number, seed: number) => Matrix.randomNormal(rows, cols, { seed });
const [q, k, v] = [normal(3, 4, 1), normal(5, 4, 2), normal(5, 4, 3)];

/** For q, k, v and, last, the sinks. */
function gradientsOf(result: () => Matrix, sinks?: Matrix): (Matrix | undefined)[] {
  const { gradients } = valueAndGrad(() => {
    const out = result();
    return out.multiply(normal(out.rows, out.cols, 9)).sum();
  });
  return [q, k, v, ...(sinks ? [sinks] : [])].map((x) => gradients.get(x) as Matrix | undefined);
}

forEachTwin(({ tolerance }) => {
  describe('a sink of −∞', () => {
    const never = Matrix.from([[Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]]);
    const nothing = new Uint8Array(5);
    const first = Uint8Array.from({ length: 15 }, (_, i) => Number(i >= 5)); // query 0 sees no key
    it.each<[string, AttentionOptions]>([
      ['everything allowed', {}],
      ['a row that sees nothing', { mask: first }],
      ['nothing allowed', { keyMask: nothing }],
    ])('is no sink, and has gradient 0: %s', (_, given) => {
      const options = { ...given, numHeads: 2 };
      for (const attention of [
        (more: AttentionOptions) => scaledDotProductAttention(q, k, v, { ...options, ...more }),
        (more: AttentionOptions) => attentionLogSumExp(q, k, { ...options, ...more }),
      ]) {
        const plain = gradientsOf(() => attention({}));
        const [dSinks, ...others] = gradientsOf(() => attention({ sinks: never }), never).reverse();
        expect(Array.from((dSinks as Matrix).data, Math.abs)).toEqual([0, 0]);
        others.reverse().forEach((found, i) => {
          expect(found === undefined).toBe(plain[i] === undefined);
          if (found) expectTable(found, plain[i] as Matrix, tolerance, `gradient ${i}`);
        });
      }
    });
  });
});
