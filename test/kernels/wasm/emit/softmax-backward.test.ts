import { describe, expect, test } from 'vitest';
import { crossEntropyBackward } from '../../../../src/kernels/reference/cross-entropy.js';
import { logSoftmax, logSoftmaxBackward, softmax, softmaxBackward } from '../../../../src/kernels/reference/softmax.js';
import { fc } from '../../../support/property.js';
import { Arena, entries, expectBound, expectOneHash, float64, grid } from './support.js';

const { NEGATIVE_INFINITY, POSITIVE_INFINITY, NaN: nan } = Number;
const UNIT = 2 ** -24;
/** e^x counts as 0 below. */
const UNDERFLOW = 2 ** -125.5;
const DENORMAL = 2 ** -149;

interface Case {
  rows: number;
  cols: number;
  x: number[];
  dY: number[];
  cut: number;
}

const ordinary = fc.double({ min: -20, max: 20, noNaN: true });

/** Logits x and upstream dY of 0 … 5 rows of 0 … 70 columns, and where to cut the rows in two. */
const cases = (logit: fc.Arbitrary<number>, upstream: fc.Arbitrary<number>): fc.Arbitrary<Case> =>
  fc.tuple(fc.nat(5), fc.nat(70)).chain(([rows, cols]) => {
    const size = { minLength: rows * cols, maxLength: rows * cols };
    return fc.record({
      rows: fc.constant(rows),
      cols: fc.constant(cols),
      x: fc.array(logit, size),
      dY: fc.array(upstream, size),
      cut: fc.nat(rows),
    });
  });

type RowsEntry = 'softmax_backward' | 'log_softmax_backward';

function run(
  entry: RowsEntry,
  y: ArrayLike<number>,
  dY: ArrayLike<number>,
  { rows, cols, cut }: Omit<Case, 'x' | 'dY'>,
) {
  const arena = new Arena();
  const at = { y: arena.input(y), dY: arena.input(dY), dX: arena.output(rows * cols) };
  arena.run(rows, cut, (a, b) => entries[entry](at.y, at.dY, at.dX, cols, a, b));
  return arena.read(at.dX);
}

const wide = (values: ArrayLike<number>) => Float64Array.from(Float32Array.from(values));

/** Σ term over every row. */
const rowSums = (rows: number, cols: number, term: (i: number) => number) =>
  Array.from({ length: rows }, (_, r) => {
    let total = 0;
    for (let i = r * cols; i < (r + 1) * cols; i++) total += term(i);
    return total;
  });

/** (cols/4 + 8)·2^−24·y·(|dY| + Σ y|dY|): the depth of the sum, and a rounding an operation. */
function expectSoftmaxLaw(given: Case): void {
  const { rows, cols, x } = given;
  const y = Float32Array.from(softmax(float64, wide(x), rows, cols));
  const dY = wide(given.dY);
  const weighted = (j: number) => (y[j] === 0 ? 0 : y[j] * Math.abs(dY[j]));
  const totals = rowSums(rows, cols, weighted);
  expectBound(
    run('softmax_backward', y, dY, given),
    softmaxBackward(float64, y, dY, rows, cols),
    (i) => (cols / 4 + 8) * UNIT * (weighted(i) + y[i] * totals[Math.floor(i / cols)]) + (cols + 1) * DENORMAL,
    'dX',
  );
}

/** (cols/4 + 8)·2^−24·(|dY| + e^y·Σ|dY|). */
function expectLogSoftmaxLaw(given: Case): void {
  const { rows, cols, x } = given;
  const y = Float32Array.from(logSoftmax(float64, wide(x), rows, cols));
  const dY = wide(given.dY);
  const counted = (j: number) => (y[j] === NEGATIVE_INFINITY ? 0 : Math.abs(dY[j]));
  const totals = rowSums(rows, cols, counted);
  expectBound(
    run('log_softmax_backward', y, dY, given),
    logSoftmaxBackward(float64, y, dY, rows, cols),
    (i) => {
      const total = totals[Math.floor(i / cols)];
      return (cols / 4 + 8) * UNIT * (counted(i) + Math.exp(y[i]) * total) + UNDERFLOW * total + DENORMAL;
    },
    'dX',
  );
}

describe.each([
  ['softmax_backward', expectSoftmaxLaw],
  ['log_softmax_backward', expectLogSoftmaxLaw],
] as const)('%s', (entry, expectLaw) => {
  test('rows of 0 … 70 columns, between NaNs', () => {
    fc.assert(fc.property(cases(ordinary, ordinary), expectLaw));
  });
  test('masked and extreme logits and upstreams: finite where the reference is', () => {
    const logit = fc.oneof(ordinary, fc.constantFrom(NEGATIVE_INFINITY, 3e38, -3e38, 1e30, -1e30, 0, -0, 1e-45));
    fc.assert(fc.property(cases(logit, fc.oneof(ordinary, fc.constantFrom(1e30, -1e30, 1e-40, 0))), expectLaw));
  });
  test('NaN and ∞ make their row what the reference says, and no other', () => {
    const poison = fc.oneof(
      { weight: 60, arbitrary: ordinary },
      { weight: 1, arbitrary: fc.constantFrom(nan, POSITIVE_INFINITY) },
    );
    fc.assert(fc.property(cases(poison, poison), expectLaw));
  });
  test('where the weight is 0 the gradient is +0, whatever its upstream', () => {
    const none = entry === 'softmax_backward' ? 0 : NEGATIVE_INFINITY;
    const half = entry === 'softmax_backward' ? 0.5 : Math.log(0.5);
    for (const poison of [nan, POSITIVE_INFINITY, NEGATIVE_INFINITY, 5]) {
      for (let cols = 3; cols < 12; cols++) {
        const y = Array.from({ length: cols }, (_, c) => (c === 1 || c === 2 ? half : none));
        const dY = Array.from({ length: cols }, (_, c) => (c === 1 ? 3 : c === 2 ? 5 : poison));
        const got = run(entry, y, dY, { rows: 1, cols, cut: 0 });
        got.forEach((value, c) => {
          if (c === 1 || c === 2) expect(Number.isFinite(value)).toBe(true);
          else expect(value, `${cols} columns, ${c}`).toBe(0);
        });
      }
    }
  });
  test('long rows keep the law', () => {
    expectLaw({ rows: 1, cols: 50_000, x: [...grid(-8, 8, 50_000)], dY: [...grid(-1, 3, 50_000)], cut: 0 });
  });
  test('100 repeats', () => {
    const arena = new Arena();
    const at = { y: arena.input(grid(0, 1, 210)), dY: arena.input(grid(-2, 2, 210)), dX: arena.output(210) };
    expectOneHash(arena, () => entries[entry](at.y, at.dY, at.dX, 70, 0, 3));
  });
});

describe('cross_entropy_backward', () => {
  const IGNORED = -100;
  interface Rows extends Omit<Case, 'dY'> {
    targets: number[];
    labelSmoothing: number;
    dLoss: number;
  }

  function runCrossEntropy({ rows, cols, x, cut, ...more }: Rows) {
    const logits = wide(x);
    const statistics = { max: new Float32Array(rows), sum: new Float32Array(rows) };
    for (let r = 0; r < rows; r++) {
      const row = logits.subarray(r * cols, (r + 1) * cols);
      statistics.max[r] = Math.max(...row);
      statistics.sum[r] = row.reduce((sum, z) => sum + Math.exp(z - statistics.max[r]), 0);
    }
    const problem = { logits, rows, cols, ignoreIndex: IGNORED, ...more, targets: Int32Array.from(more.targets) };
    const exact = crossEntropyBackward(float64, problem, statistics, Float64Array.of(more.dLoss));
    const dRow = Math.abs(more.dLoss) / Math.max(1, more.targets.filter((target) => target !== IGNORED).length);
    const arena = new Arena();
    const operands = [x, statistics.max, statistics.sum].map((array) => arena.input(array));
    const targets = arena.inputInts(more.targets);
    const dX = arena.output(rows * cols);
    const factors = [Math.sign(more.dLoss) * dRow, Math.sign(more.dLoss) * (1 - more.labelSmoothing) * dRow];
    factors.push((Math.sign(more.dLoss) * more.labelSmoothing * dRow) / cols);
    arena.run(rows, cut, (a, b) =>
      entries.cross_entropy_backward(...operands, targets, dX, cols, IGNORED, ...factors, a, b),
    );
    return { got: arena.read(dX), exact, statistics, dRow };
  }

  /** 2^−24·|dRow|·((|z − m| + 8)·p + 4·t), t what is wanted of the entry. */
  function expectLaw(given: Rows): void {
    const { cols, x, targets, labelSmoothing } = given;
    const { got, exact, statistics, dRow } = runCrossEntropy(given);
    expectBound(
      got,
      exact,
      (i) => {
        const r = Math.floor(i / cols);
        const distance = Math.min(Math.abs(Math.fround(x[i]) - statistics.max[r]) || 0, 1000);
        const p = Math.exp(-distance) / (statistics.sum[r] || 1); // of an ignored row it may be NaN
        const wanted = (targets[r] === i % cols ? 1 - labelSmoothing : 0) + labelSmoothing / cols;
        return UNIT * dRow * ((distance + 8) * p + 4 * wanted) + UNDERFLOW * dRow + DENORMAL;
      },
      'dLogits',
    );
  }

  const rowsOf = (logit: fc.Arbitrary<number>): fc.Arbitrary<Rows> =>
    cases(logit, fc.constant(0)).chain(({ rows, cols, x, cut }) =>
      fc.record({
        rows: fc.constant(cols === 0 ? 0 : rows),
        cols: fc.constant(cols),
        x: fc.constant(x),
        cut: fc.constant(cols === 0 ? 0 : cut),
        targets: fc.array(fc.oneof(fc.nat(Math.max(cols - 1, 0)), fc.constant(IGNORED)), {
          minLength: cols === 0 ? 0 : rows,
          maxLength: cols === 0 ? 0 : rows,
        }),
        labelSmoothing: fc.constantFrom(0, 0.1, 1),
        dLoss: fc.constantFrom(1, -3.7, 0, 1e30, 1e-30),
      }),
    );

  test('rows of 0 … 70 columns, between NaNs', () => {
    fc.assert(fc.property(rowsOf(ordinary), expectLaw), { numRuns: 200 });
  });
  test('extreme logits, NaN and ∞ as the reference', () => {
    const logit = fc.oneof(
      { weight: 20, arbitrary: ordinary },
      { weight: 5, arbitrary: fc.constantFrom(NEGATIVE_INFINITY, 3e38, -3e38, 1e30, -1e30) },
      { weight: 1, arbitrary: fc.constantFrom(nan, POSITIVE_INFINITY) },
    );
    fc.assert(fc.property(rowsOf(logit), expectLaw), { numRuns: 200 });
  });
  test('an ignored row is +0, whatever it holds', () => {
    const given = {
      rows: 2,
      cols: 5,
      x: Array(10).fill(nan),
      cut: 1,
      targets: [IGNORED, IGNORED],
      labelSmoothing: 0.1,
      dLoss: 1,
    };
    expect([...runCrossEntropy(given).got]).toEqual(Array(10).fill(0));
  });
  test('50 000 classes keep the law', () => {
    expectLaw({
      rows: 1,
      cols: 50_000,
      x: [...grid(-9, 9, 50_000)],
      cut: 0,
      targets: [7],
      labelSmoothing: 0.1,
      dLoss: 1,
    });
  });
});
