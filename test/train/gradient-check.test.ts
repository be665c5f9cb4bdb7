import { describe, expect, test } from 'vitest';
import {
  capabilities,
  crossEntropy,
  customGradient,
  Embedding,
  gradCheck,
  Linear,
  Matrix,
  MultiHeadAttention,
  Parameter,
  ShapeError,
  valueAndGrad,
} from '../../src/index.js';
import { expectClose } from '../support/compare.js';
import { forEachTwin } from '../support/twins.js';

const sample = (rows: number, cols: number, seed: number) => Matrix.randomNormal(rows, cols, { seed });

/** x², whose gradient somebody wrote as `gradient` says. */
function square(gradient: (x: Matrix, dOut: Matrix) => Matrix | undefined): (x: Matrix) => Matrix {
  return customGradient(
    (x: Matrix) => x.multiply(x),
    (dOut, [x]) => [gradient(x, dOut)],
  );
}

const right = square((x, dOut) => x.scale(2).multiply(dOut));

forEachTwin(() => {
  test('right gradients pass, under float64, and the kernels from before come back', () => {
    const before = capabilities();
    const layer = new MultiHeadAttention({ dModel: 4, numHeads: 2, bias: true, causal: true, seed: 1 });
    const [x, upstream] = [sample(5, 4, 1), sample(5, 4, 2)];
    const inputs = [x, ...layer.parameters()];
    const report = gradCheck(() => layer.forward(x).multiply(upstream).sum(), inputs);
    expect(report).toMatchObject({ ok: true, tolerance: 1e-6 });
    expect(report.inputs.map(({ name }) => name)).toEqual(['inputs[0]', ...layer.namedParameters().keys()]);
    expect(report.inputs.map(({ checked }) => checked)).toEqual(inputs.map(({ data }) => data.length));
    // Float32 rounding would show here as 1e-3.
    for (const { worst } of report.inputs) expect(worst?.error).toBeLessThan(1e-8);
    expect(capabilities()).toEqual(before);
  });

  test('tokens to loss: the rows of a table that were read and those that were not', () => {
    const embedding = new Embedding(7, 4, { seed: 1 });
    const head = new Linear(4, 7, { bias: true, seed: 2 });
    const f = () => crossEntropy(head.forward(embedding.forward([3, 1, 3, 6])), [1, 3, 6, 0]);
    const inputs = [embedding.table, head.W];
    expect(valueAndGrad(f).gradients.get(embedding.table)).toHaveProperty('values');
    expect(gradCheck(f, inputs)).toMatchObject({ ok: true, inputs: [{ checked: 28 }, { checked: 28 }] });
  });
});

describe('wrong gradients fail:', () => {
  const x = sample(3, 4, 1);
  const weights = sample(3, 4, 2);
  const check = (f: (x: Matrix) => Matrix) => gradCheck((m) => f(m).multiply(weights).sum(), [x]);
  const at = (row: number, col: number, change: (value: number) => number) =>
    square((m, dOut) => {
      const gradient = m.scale(2).multiply(dOut);
      gradient.set(row, col, change(gradient.get(row, col)));
      return gradient;
    });

  test('the right one passes', () => {
    expect(check(right)).toMatchObject({ ok: true });
  });
  test.each([
    ['a factor', square((m, dOut) => m.multiply(dOut))],
    ['none at all', square(() => undefined)],
    ['a transposed one', square((m, dOut) => new Matrix(3, 4, m.multiply(dOut).scale(2).transpose().data))],
    ['off by a hundred-thousandth', square((m, dOut) => m.scale(2.00002).multiply(dOut))],
  ])('%s', (_, f) => {
    expect(check(f)).toMatchObject({ ok: false, inputs: [{ ok: false }] });
  });

  test('one entry, which is named with both values', () => {
    const report = check(at(2, 1, (value) => value + 0.01));
    const [{ worst }] = report.inputs;
    const expected = 2 * x.get(2, 1) * weights.get(2, 1);
    expect(worst).toMatchObject({ row: 2, col: 1 });
    expectClose([worst?.numeric ?? 0, worst?.analytic ?? 0], [expected, expected + 0.01], 1e-8);
    expect(report.ok).toBe(false);
    const others = gradCheck(
      (m, other) =>
        right(m)
          .sum()
          .add(at(2, 1, (v) => v + 1)(other).sum()),
      [x, weights],
    );
    expect(others.inputs.map(({ ok }) => ok)).toEqual([true, false]);
  });

  test.each([1, 1000])('the error is what the formula says, of an input of size %d', (size) => {
    const big = x.scale(size);
    const wrong = at(2, 1, (value) => value + 0.01 * size);
    const report = gradCheck((m) => wrong(m).multiply(weights).sum(), [big]);
    const [{ worst }] = report.inputs;
    const loss = right(big).multiply(weights).sum().data[0];
    const largest = Math.max(...Array.from(big.data, (value, i) => Math.abs(2 * value * weights.data[i])));
    const { analytic = 0, numeric = 0, error = 0 } = worst ?? {};
    const floor = 1e-3 * largest + (1e-4 * Math.abs(loss)) / Math.max(1, Math.abs(big.get(2, 1)));
    expectClose(
      [error],
      [Math.abs(analytic - numeric) / (Math.max(Math.abs(analytic), Math.abs(numeric)) + floor)],
      1e-8,
    );
    expect(report.formula).toContain('|analytic − numeric|');
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('%s, wherever it stands', (value) => {
    for (const [row, col] of [
      [0, 0],
      [1, 2],
      [2, 3],
    ]) {
      const report = check(at(row, col, () => value));
      expect(report).toMatchObject({ ok: false, inputs: [{ ok: false, worst: { row, col, error: Number.NaN } }] });
    }
  });

  test('a loss that is NaN, or infinite', () => {
    expect(gradCheck((m) => m.log().sum(), [Matrix.from([[-1, 1]])]).ok).toBe(false);
    expect(gradCheck((m) => m.log().sum(), [Matrix.from([[0, 1]])]).ok).toBe(false);
  });

  test('a loss that is infinite in a point alone, whatever its derivative is said to be', () => {
    const f = customGradient(
      (x: Matrix) => new Matrix(1, 1, Float32Array.of(1)).divide(x.multiply(x)),
      () => [new Matrix(1, 1)],
    );
    const report = gradCheck(f, [new Matrix(1, 1)]);
    expect(report).toMatchObject({ ok: false, inputs: [{ worst: { analytic: 0, numeric: 0, error: Number.NaN } }] });
  });

  test('of equal errors the first is named', () => {
    const ones = new Matrix(2, 3, new Float32Array(6).fill(1));
    for (const f of [right, square(() => undefined)]) {
      expect(gradCheck((m) => f(m).sum(), [ones]).inputs[0].worst).toMatchObject({ row: 0, col: 0 });
    }
  });

  test('of rows of a table that were not read', () => {
    const table = sample(4, 2, 3);
    const f = customGradient(
      (t: Matrix) => t.sliceRows(1, 2).sum(),
      (_, [t]) => [new Matrix(t.rows, t.cols, new Float32Array(8).fill(1))],
    );
    expect(gradCheck(f, [table])).toMatchObject({ ok: false, inputs: [{ worst: { numeric: 0, analytic: 1 } }] });
  });
});

test('stored differences: parameters far from 1 pass too', () => {
  for (const scale of [1e-3, 0.3, 2.999999, 1023.9999, 1e6]) {
    const p = new Parameter(2, 3, sample(2, 3, 4).scale(scale).data);
    const { ok, inputs } = gradCheck((m) => m.multiply(m).sum(), [p]);
    expect(ok, `scale ${scale}: error ${inputs[0].worst?.error}`).toBe(true);
    // A third derivative shows where the step is large beside the parameter.
    const cube = gradCheck((m) => m.multiply(m).multiply(m).sum(), [p]);
    expect(cube.ok, `scale ${scale}: error ${cube.inputs[0].worst?.error}`).toBe(scale > 0.1);
    expect(gradCheck((m) => m.multiply(m).multiply(m).sum(), [p], { step: 1e-5 * Math.min(1, scale) }).ok).toBe(true);
  }
});

test('an entry is moved equally far to either side, also where the numbers above lie less close', () => {
  for (let k = 1; k <= 8; k++) {
    const x = 1024 - k * 2 ** -14; // 2^-14 apart below 1024, 2^-13 above
    const { ok, inputs } = gradCheck(
      (m, a) => m.subtract(a).multiply(m.subtract(a)).sum(),
      [Matrix.from([[x]]), Matrix.from([[x - 1]])],
    );
    expect(ok, `${x}: error ${inputs[0].worst?.error}`).toBe(true);
  }
});

test('the inputs are the same to the bit afterwards, also where f throws', () => {
  const x = Matrix.from([[0.1, -0, 3e38, 1e-45]]);
  const before = x.clone();
  gradCheck((m) => m.sum(), [x]);
  expect(Object.is(x.get(0, 1), -0)).toBe(true);
  expect(x.data).toEqual(before.data);
  let calls = 0;
  const failing = (m: Matrix) => {
    calls++;
    if (calls > 4) throw new Error('inside');
    return m.sum();
  };
  const kernelsBefore = capabilities();
  expect(() => gradCheck(failing, [x])).toThrow('inside');
  expect(x.data).toEqual(before.data);
  expect(capabilities()).toEqual(kernelsBefore);
});

test('a sample has that many distinct entries, the same for the same seed; every entry is drawn by some seed', () => {
  const x = sample(4, 5, 1);
  const drawn = (seed: number, maxEntries = 3) => {
    const at: number[] = [];
    const moved: number[] = [];
    const before = x.clone();
    const f = (m: Matrix) => {
      const i = m.data.findIndex((value, j) => value !== before.data[j]);
      if (i >= 0) moved.push(i);
      return m.sum();
    };
    expect(gradCheck(f, [x], { seed, maxEntries }).inputs[0].checked).toBe(Math.min(maxEntries, 20));
    moved.forEach((i, n) => {
      if (n % 2 === 0) at.push(i);
    });
    return at;
  };
  expect(new Set(drawn(1)).size).toBe(3);
  expect(drawn(1)).toEqual(drawn(1));
  expect(new Set(Array.from({ length: 60 }, (_, seed) => drawn(seed)).flat()).size).toBe(20);
  expect(drawn(1, 100)).toEqual(Array.from({ length: 20 }, (_, i) => i));
});

test('an empty input has nothing to compare', () => {
  const report = gradCheck((a, b) => a.sum().add(b.sum()), [new Matrix(0, 3), sample(1, 1, 1)]);
  expect(report).toMatchObject({ ok: true, inputs: [{ ok: true, checked: 0 }, { checked: 1 }] });
  expect(report.inputs[0].worst).toBeUndefined();
});

test('a loss that is drawn anew each time is refused', () => {
  const layer = new MultiHeadAttention({ dModel: 4, numHeads: 2, dropout: 0.5, seed: 1 });
  const x = sample(5, 4, 1);
  const f = () => layer.forward(x).multiply(x).sum();
  expect(() => gradCheck(f, layer.parameters())).toThrow(ShapeError);
  layer.eval();
  expect(gradCheck(f, layer.parameters(), { maxEntries: 3 }).ok).toBe(true);
});

test.each([
  [1, 2],
  [2, 1],
  [0, 1],
  [1, 0],
])('a loss of %i×%i is refused, with its shape', (rows, cols) => {
  const x = sample(rows, cols, 1);
  expect(() => gradCheck((y) => y.scale(2), [x])).toThrow(`gradCheck: the loss must be 1×1: f gave ${rows}×${cols}`);
});

test('infinite derivatives on both sides fail: they say nothing', () => {
  for (const sign of [1, -1]) {
    const report = gradCheck((x) => x.scale(1e308).scale(sign * 1e308), [new Matrix(1, 1)]);
    const [{ worst, ok }] = report.inputs;
    expect([worst?.analytic, worst?.numeric]).toEqual([sign / 0, sign / 0]);
    expect([ok, report.ok, worst?.error]).toEqual([false, false, Number.NaN]);
  }
});

test('a loss of 0 with derivatives of 0 passes, whatever its inputs', () => {
  for (const x of [new Matrix(2, 2), sample(2, 2, 1)]) {
    const report = gradCheck((y, z) => y.scale(0).sum().add(z.sum().scale(0)), [x, new Matrix(1, 1)]);
    expect(report.ok).toBe(true);
    expect(report.inputs.map(({ worst }) => worst?.error)).toEqual([0, 0]);
  }
});
