import { describe, expect, it } from 'vitest';
import { customGradient } from '../../src/autograd/custom-gradient.js';
import { valueAndGrad } from '../../src/autograd/value-and-grad.js';
import { Matrix } from '../../src/matrix/matrix.js';
import { logSoftmax } from '../../src/ops/activations.js';
import { attentionLogSumExp, scaledDotProductAttention } from '../../src/ops/attention/attention.js';
import type { AttentionOptions } from '../../src/ops/attention/options.js';
import { gatherRows } from '../../src/ops/embedding.js';
import { crossEntropy } from '../../src/ops/losses.js';
import { expectClose, expectSame, expectTable } from '../support/compare.js';
import { forEachTwin } from '../support/twins.js';

// What README's section on semantics promises of gradients: rows with nothing to attend to, NaN behind masks, ties.

const { NaN: nan, NEGATIVE_INFINITY, POSITIVE_INFINITY } = Number;
const normal = (rows: number, cols: number, seed: number) => Matrix.randomNormal(rows, cols, { seed });

/** Dense gradients for the inputs, in their order, of Σ w∘result. */
function gradientsFor(inputs: readonly Matrix[], result: () => Matrix): Matrix[] {
  const { gradients } = valueAndGrad(() => {
    const out = result();
    return out.multiply(normal(out.rows, out.cols, 99)).sum();
  });
  return inputs.map((input) => {
    const found = gradients.get(input);
    if (!(found instanceof Matrix)) throw new Error('no dense gradient');
    return found;
  });
}

/** A result whose upstream gradient is `dOut`, whatever comes after. */
const withUpstream = (dOut: Matrix) =>
  customGradient(
    (x: Matrix) => x,
    () => [dOut],
  );

function expectZero(values: ArrayLike<number>, label: string): void {
  Array.from(values).forEach((value, i) => expect(value === 0, `${label}, entry ${i}: ${value}`).toBe(true));
}

const HEADS = { numHeads: 4, numKvHeads: 2 };
const [LQ, LK, DK, DV] = [5, 7, 3, 2];
const make = () => ({
  q: normal(LQ, HEADS.numHeads * DK, 1),
  k: normal(LK, HEADS.numKvHeads * DK, 2),
  v: normal(LK, HEADS.numKvHeads * DV, 3),
  bias: normal(LQ, LK, 4),
});

/** Ways to forbid keys 2 and 5 to every query; the bias of `poisoned` may hold anything there. */
const FORBIDDEN = [2, 5];
const isForbidden = (j: number) => FORBIDDEN.includes(j);
const flagsOf = (rows: number) => Uint8Array.from({ length: rows * LK }, (_, i) => Number(!isForbidden(i % LK)));
const WAYS: Record<string, (bias: Matrix) => AttentionOptions> = {
  'a mask': (bias) => ({ mask: flagsOf(LQ), bias }),
  'a mask a head': (bias) => ({ mask: flagsOf(4 * LQ), bias }),
  'a key mask': (bias) => ({ keyMask: flagsOf(1), bias }),
  'a key mask and softcap': (bias) => ({ keyMask: flagsOf(1), bias, softcap: 2, alibi: true }),
  'a bias of −∞': (bias) => {
    bias.data.forEach((_, i, data) => isForbidden(i % LK) && data.fill(NEGATIVE_INFINITY, i, i + 1));
    return { bias };
  },
};

forEachTwin(({ tolerance }) => {
  describe('a key that may not be attended to', () => {
    it.each(
      Object.entries(WAYS).flatMap(([name, way]) =>
        [nan, POSITIVE_INFINITY, NEGATIVE_INFINITY].map((poison) => [poison, name, way] as const),
      ),
    )('holds %s behind %s: its gradients are exactly 0, all others as without it', (poison, _, way) => {
      const run = (plant: number | undefined) => {
        const { q, k, v, bias } = make();
        if (plant !== undefined) {
          for (const j of FORBIDDEN) for (const m of [k, v]) m.row(j).fill(plant);
          bias.data.forEach((_, i, data) => isForbidden(i % LK) && data.fill(plant, i, i + 1));
        }
        const options = { ...HEADS, ...way(bias) };
        const attention = gradientsFor([q, k, v, bias], () => scaledDotProductAttention(q, k, v, options));
        return [...attention, ...gradientsFor([q, k, bias], () => attentionLogSumExp(q, k, options))];
      };
      const [clean, poisoned] = [run(undefined), run(poison)];
      poisoned.forEach((found, i) => {
        expectClose(found.data, clean[i].data, 0, `gradient ${i}`);
        expect(found.data.some((value) => value !== 0)).toBe(true);
      });
      const [, dK, dV, dBias, , dK2, dBias2] = poisoned;
      for (const j of FORBIDDEN) for (const m of [dK, dV, dK2]) expectZero(m.row(j), `row ${j}`);
      for (const m of [dBias, dBias2])
        expectZero(
          m.data.filter((_, i) => isForbidden(i % LK)),
          'bias',
        );
    });

    it.each<[string, AttentionOptions]>([
      ['causal', { causal: true }],
      ['a window', { window: [1, 0], causalOffset: 2 }],
    ])('behind %s, at the end: 0, and no other gradient sees it', (_, options) => {
      const run = (plant: number) => {
        const { q, k, v } = make();
        for (const m of [k, v]) m.row(LK - 1).fill(plant);
        q.row(LQ - 1).fill(plant); // the only query that might see the last key
        const mask = new Uint8Array(LQ * LK).fill(1).fill(0, (LQ - 1) * LK);
        return gradientsFor([q, k, v], () => scaledDotProductAttention(q, k, v, { ...HEADS, ...options, mask }));
      };
      const [clean, poisoned] = [run(1), run(nan)];
      poisoned.forEach((found, i) => expectClose(found.data, clean[i].data, 0, `gradient ${i}`));
      expectZero(poisoned[0].row(LQ - 1), 'dQ');
      for (const m of poisoned.slice(1)) expectZero(m.row(LK - 1), 'last key');
    });

    it('in another sequence: a packed batch with a sequence of NaN', () => {
      const [q, k, v] = [normal(6, 4, 1), normal(6, 4, 2), normal(6, 4, 3)];
      for (const m of [q, k, v]) m.row(3).fill(nan);
      const options = { numHeads: 2, cuSeqlens: [0, 3, 4, 6] };
      const found = gradientsFor([q, k, v], () => scaledDotProductAttention(q, k, v, options));
      for (const { data } of found)
        expect(Array.from(data, Number.isNaN)).toEqual(Array.from(data, (_, i) => i >> 2 === 3));
    });

    it('of which there are many before the first that counts: as if those were not there', () => {
      const [q, k, v] = [normal(9, 8, 1), normal(300, 8, 2), normal(300, 8, 3)];
      const keyMask = Uint8Array.from({ length: 300 }, (_, j) => Number(j >= 270));
      for (const m of [k, v]) m.data.fill(nan, 0, 200 * 8);
      const few = [q, k.sliceRows(270), v.sliceRows(270)];
      const got = gradientsFor([q, k, v], () => scaledDotProductAttention(q, k, v, { numHeads: 2, keyMask }));
      const expected = gradientsFor(few, () => scaledDotProductAttention(few[0], few[1], few[2], { numHeads: 2 }));
      expectTable(got[0], expected[0], tolerance, 'dQ');
      for (const i of [1, 2]) {
        expectTable(got[i].sliceRows(270), expected[i], tolerance, `gradient ${i}`);
        expectZero(got[i].sliceRows(0, 270).data, `gradient ${i}`);
      }
    });
  });

  describe('a query that may attend to nothing', () => {
    it.each<[string, AttentionOptions]>([
      ['by mask', { mask: Uint8Array.from({ length: LQ * LK }, (_, i) => Number(Math.floor(i / LK) !== 1)) }],
      [
        'by causal',
        {
          causal: 'top-left',
          window: [2, 0],
          mask: Uint8Array.from({ length: LQ * LK }, (_, i) => Number(Math.floor(i / LK) !== 1)),
        },
      ],
    ])('%s, with NaN in it and above it: gradients through it are exactly 0', (_, options) => {
      const run = (poison: number) => {
        const { q, k, v } = make();
        q.row(1).fill(poison);
        const dOut = normal(LQ, HEADS.numHeads * DV, 5);
        dOut.row(1).fill(poison);
        const dLogSumExp = normal(LQ, HEADS.numHeads, 6);
        dLogSumExp.row(1).fill(poison);
        const all = { ...HEADS, ...options };
        return [
          ...gradientsFor([q, k, v], () => withUpstream(dOut)(scaledDotProductAttention(q, k, v, all))),
          ...gradientsFor([q, k], () => withUpstream(dLogSumExp)(attentionLogSumExp(q, k, all))),
        ];
      };
      const [clean, poisoned] = [run(1), run(nan)];
      poisoned.forEach((found, i) => expectClose(found.data, clean[i].data, 0, `gradient ${i}`));
      expectZero(poisoned[0].row(1), 'dQ');
      expectZero(poisoned[3].row(1), 'dQ of the log-sum-exp');
    });

    it('but has a sink: only the sink has a gradient, that of the log-sum-exp', () => {
      const [q, k, v, sinks] = [normal(1, 2, 1), normal(2, 2, 2), normal(2, 2, 3), Matrix.from([[0.7]])];
      const options = { keyMask: new Uint8Array(2), sinks };
      const inputs = [q, k, v, sinks];
      for (const found of gradientsFor(inputs, () => scaledDotProductAttention(q, k, v, options)))
        expectZero(found.data, 'attention');
      const [dQ, dK, dSinks] = gradientsFor([q, k, sinks], () =>
        withUpstream(Matrix.from([[3]]))(attentionLogSumExp(q, k, options)),
      );
      expectZero([...dQ.data, ...dK.data], 'q and k');
      expectClose(dSinks.data, [3], tolerance);
    });
  });

  describe('ties at 1e30 are split evenly, forward and backward:', () => {
    const q = Matrix.from([[1e15, 0]]);
    const k = Matrix.from([
      [1e15, 1],
      [1e15, 3],
      [-1e15, 5],
    ]);
    const v = Matrix.from([[2], [6], [40]]);

    it('attention', () => {
      const f = () => withUpstream(Matrix.from([[1]]))(scaledDotProductAttention(q, k, v, { scale: 1 }));
      expect(scaledDotProductAttention(q, k, v, { scale: 1 }).toArray()).toEqual([[4]]);
      const [dQ, dK, dV] = gradientsFor([q, k, v], f);
      expect([...dV.data]).toEqual([0.5, 0.5, 0]);
      // dZ = ½(2 − 4), ½(6 − 4): −1 and 1, so that the 1e15 cancel in dQ.
      expect([...dQ.data]).toEqual([0, 2]);
      expectClose(dK.data, [-1e15, 0, 1e15, 0, 0, 0].map(Math.fround), tolerance);
    });

    it('attention with a sink', () => {
      const [one, same, sinks] = [Matrix.from([[1]]), Matrix.from([[1e30]]), Matrix.from([[1e30]])];
      const f = () =>
        withUpstream(Matrix.from([[1]]))(scaledDotProductAttention(one, same, Matrix.from([[8]]), { scale: 1, sinks }));
      expect([...gradientsFor([sinks], f)[0].data]).toEqual([-2]); // −½·D, D = ½·8
    });

    it('the log-sum-exp', () => {
      const f = () => withUpstream(Matrix.from([[1]]))(attentionLogSumExp(q, k, { scale: 1 }));
      const [dQ, dK] = gradientsFor([q, k], f);
      expectClose(dQ.data, [1e15, 2].map(Math.fround), tolerance);
      expectClose(dK.data, [5e14, 0, 5e14, 0, 0, 0].map(Math.fround), tolerance);
    });

    it('softmax, logSoftmax and crossEntropy', () => {
      const z = Matrix.from([[1e30, 1e30, -1e30]]);
      const up = withUpstream(Matrix.from([[1, 0, 0]]));
      expect(gradientsFor([z], () => up(z.softmax()))[0].toArray()).toEqual([[0.25, -0.25, 0]]);
      expectClose(gradientsFor([z], () => up(logSoftmax(z)))[0].data, [0.5, -0.5, 0], tolerance);
      const { value, gradients } = valueAndGrad(() => crossEntropy(z, [1]));
      expectClose([value, ...(gradients.get(z) as Matrix).data], [Math.LN2, 0.5, -0.5, 0], tolerance);
    });
  });

  it('NaN at a position that is attended to reaches the gradients', () => {
    const { q, k, v } = make();
    v.set(3, 0, nan);
    const [dQ] = gradientsFor([q, k, v], () => scaledDotProductAttention(q, k, v, HEADS));
    expect(Number.isNaN(dQ.get(0, 0))).toBe(true); // head 0 reads that column
    expect(Number.isNaN(dQ.get(0, 2 * DK))).toBe(false); // head 2 does not
  });

  it('softmax gives 0 where its result is 0, whatever comes from above', () => {
    const z = Matrix.from([
      [1, NEGATIVE_INFINITY, 2],
      [NEGATIVE_INFINITY, NEGATIVE_INFINITY, NEGATIVE_INFINITY],
    ]);
    const clean = withUpstream(
      Matrix.from([
        [1, 0, 2],
        [0, 0, 0],
      ]),
    );
    const poisoned = withUpstream(
      Matrix.from([
        [1, nan, 2],
        [nan, POSITIVE_INFINITY, nan],
      ]),
    );
    for (const f of [(x: Matrix) => x.softmax(), logSoftmax]) {
      const [expected] = gradientsFor([z], () => clean(f(z)));
      const [got] = gradientsFor([z], () => poisoned(f(z)));
      expectClose(got.data, expected.data, 0);
      expectZero([got.get(0, 1), ...got.row(1)], 'masked');
    }
  });

  it('crossEntropy gives exactly 0 for rows that do not count, whatever they hold', () => {
    const logits = normal(3, 4, 1);
    logits.row(1).fill(nan);
    const { value, gradients } = valueAndGrad(() => crossEntropy(logits, [0, -100, 3], { labelSmoothing: 0.1 }));
    const found = gradients.get(logits) as Matrix;
    expectZero(found.row(1), 'row 1');
    expect([value, ...found.row(0), ...found.row(2)].every(Number.isFinite)).toBe(true);
    const none = valueAndGrad(() => crossEntropy(logits, [-100, -100, -100]));
    expect(none.value).toBe(0);
    expectZero((none.gradients.get(logits) as Matrix).data, 'nothing counted');
  });

  it('a padding row has no gradient, though it was read', () => {
    const table = normal(5, 2, 1);
    const { gradients } = valueAndGrad(() => gatherRows('test', table, [3, 2, 3, 0], 3).sum());
    expect(gradients.get(table)).toMatchObject({ rows: Int32Array.of(0, 2) });
  });

  it('a packed batch has the gradients of each sequence alone, to the bit', () => {
    const [q, k, v, bias] = [normal(9, 4, 1), normal(11, 2, 2), normal(11, 2, 3), normal(9, 6, 4)];
    const [cuSeqlens, cuSeqlensK] = [
      [0, 4, 4, 9],
      [0, 5, 5, 11],
    ];
    const options = { numHeads: 2, numKvHeads: 1, causal: true, softcap: 3 };
    const dOut = normal(9, 4, 5);
    const packed = gradientsFor([q, k, v, bias], () =>
      withUpstream(dOut)(scaledDotProductAttention(q, k, v, { ...options, cuSeqlens, cuSeqlensK, bias })),
    );
    for (const s of [0, 2]) {
      const [rows, keys] = [cuSeqlens, cuSeqlensK].map((offsets) => [offsets[s], offsets[s + 1]] as const);
      const own = [
        q.sliceRows(...rows),
        k.sliceRows(...keys),
        v.sliceRows(...keys),
        bias.sliceRows(...rows).sliceColumns(0, keys[1] - keys[0]),
      ];
      const alone = gradientsFor(own, () =>
        withUpstream(dOut.sliceRows(...rows))(
          scaledDotProductAttention(own[0], own[1], own[2], { ...options, bias: own[3] }),
        ),
      );
      const parts = [packed[0].sliceRows(...rows), packed[1].sliceRows(...keys), packed[2].sliceRows(...keys)];
      parts.forEach((part, i) => expectSame(part.data, alone[i].data, `sequence ${s}, gradient ${i}`));
      expectSame(packed[3].sliceRows(...rows).sliceColumns(0, own[1].rows).data, alone[3].data, 'bias');
    }
  });

  it('what later tokens hold changes no gradient of a loss on earlier ones, and theirs is exactly 0', () => {
    const run = (seed: number) => {
      const [q, k, v] = [1, 2, 3].map((i) => Matrix.concatRows([normal(5, 4, i), normal(4, 4, seed + i)]));
      return gradientsFor([q, k, v], () =>
        scaledDotProductAttention(q, k, v, { numHeads: 2, causal: true }).sliceRows(0, 5),
      );
    };
    const [one, other] = [run(10), run(20)];
    one.forEach((found, i) => {
      expectSame(found.sliceRows(0, 5).data, other[i].sliceRows(0, 5).data, `gradient ${i}`);
      expectZero(found.sliceRows(5).data, `gradient ${i}`);
    });
  });
});
