import { Linear, Matrix, MultiHeadAttention, scaledDotProductAttention, valueAndGrad } from 'qkv';
import { expect, it } from 'vitest';
import { expectSame } from '../support/compare.js';
import { forEachTwin } from '../support/twins.js';

// Sums that cross several blocks (256 terms of a product, 64 keys, 32 or 64 rows of queries: src/kernels/wasm/summation.ts)
// have the same bits however many rows come together, whatever stands beside them, and step by step.

const normal = (rows: number, cols: number, seed: number) => Matrix.randomNormal(rows, cols, { seed });

forEachTwin(() => {
  it('a row of a product, alone and among up to 25', () => {
    for (const [inputs, outputs] of [
      [600, 9],
      [513, 3],
      [1025, 1],
    ]) {
      const [layer, x] = [new Linear(inputs, outputs, { seed: 1 }), normal(25, inputs, 2)];
      const whole = layer.forward(x);
      for (const rows of [1, 2, 3, 4, 7, 20, 21]) {
        const first = 25 - rows;
        expectSame(layer.forward(x.sliceRows(first, 25)).data, whole.sliceRows(first, 25).data, `${rows} of ${inputs}`);
      }
    }
  });

  const widths = { dModel: 300, numHeads: 1, causal: true, seed: 3 };
  const lengths = { rows: 150, chunks: [1, 7, 64] };
  it.each([widths, { ...widths, dModel: 24, numHeads: 4, numKvHeads: 2, dK: 6, dV: 5, window: 90, softcap: 2 }])(
    'attention forward and step by step: %o',
    { timeout: 60_000 },
    (options) => {
      const [layer, x] = [new MultiHeadAttention(options).eval(), normal(lengths.rows, options.dModel, 4)];
      const whole = layer.forward(x);
      for (const chunk of lengths.chunks) {
        const cache = layer.createCache({ capacity: lengths.rows });
        for (let from = 0; from < lengths.rows; from += chunk) {
          const to = Math.min(from + chunk, lengths.rows);
          expectSame(
            layer.step(x.sliceRows(from, to), cache).data,
            whole.sliceRows(from, to).data,
            `${chunk}: ${from}`,
          );
        }
      }
    },
  );

  it.each([false, true])('gradients of packed sequences as of each alone, causal %s', (causal) => {
    const cuSeqlens = [0, 150, 151, 241];
    const [q, k, v, sinks, dOut] = [4, 4, 2, 0, 4].map((cols, i) => (i === 3 ? normal(1, 2, 9) : normal(241, cols, i)));
    const options = { numHeads: 2, numKvHeads: 1, causal, sinks };
    const keys = k.sliceColumns(0, 2);
    const gradients = (own: Matrix[], upstream: Matrix, more: object) => {
      const attend = () => scaledDotProductAttention(own[0], own[1], own[2], { ...options, ...more });
      const found = valueAndGrad(() => attend().multiply(upstream).sum()).gradients;
      return own.map((x) => found.get(x) as Matrix);
    };
    const packed = gradients([q, keys, v], dOut, { cuSeqlens });
    for (let s = 0; s < 3; s++) {
      const rows = [cuSeqlens[s], cuSeqlens[s + 1]] as const;
      const alone = gradients(
        [q, keys, v].map((x) => x.sliceRows(...rows)),
        dOut.sliceRows(...rows),
        {},
      );
      alone.forEach((own, i) =>
        expectSame(own.data, packed[i].sliceRows(...rows).data, `sequence ${s}, gradient ${i}`),
      );
    }
  });

  it('a finite row beside one that is not', () => {
    const [q, k, v] = [normal(130, 4, 1), normal(130, 4, 2), normal(130, 4, 3)];
    const dirty = v.clone();
    dirty.set(129, 1, Number.NaN); // row 129 alone may attend to it
    const run = (own: Matrix) => scaledDotProductAttention(q, k, own, { numHeads: 2, causal: true });
    const gradients = (own: Matrix) => {
      const upstream = normal(130, 4, 4);
      return valueAndGrad(() => run(own).multiply(upstream).sum()).gradients;
    };
    expectSame(run(dirty).sliceRows(0, 129).data, run(v).sliceRows(0, 129).data);
    const [got, expected] = [gradients(dirty), gradients(v)].map((found) => found.get(q) as Matrix);
    expect(got.row(129).some(Number.isNaN)).toBe(true);
    expectSame(got.sliceRows(0, 129).data, expected.sliceRows(0, 129).data);
  });
});
