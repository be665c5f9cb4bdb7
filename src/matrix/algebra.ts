import type { OwnIntegers } from '../core/array-types.js';
import type {
  BinaryOperation,
  ElementaryOperation,
  Floats,
  UnaryKernels,
  UnaryOperation,
} from '../kernels/contract.js';
import { elementwise as elementwiseKernels, layouts, losses, products, softmaxKernels } from '../kernels/families.js';
import { backwards, table } from '../kernels/state.js';
import type { Backward } from './tape.js';

// The algebra of matrices as pairs: each function computes a result and gives with it the backward of the very line that
// computed it. Shapes were checked by the caller.

/** (rows × cols), row-major. */
export interface Shaped {
  readonly rows: number;
  readonly cols: number;
  readonly data: Floats;
}

export interface Computed extends Shaped {
  readonly backward: Backward;
}

const NONE = /* @__PURE__ */ new Int32Array(0);
const BOTH: readonly boolean[] = [true, true];

/** A new array with the numbers of x: 32-bit of 64-bit numbers that the oracle left, and the reverse. */
export function copied(x: Floats): Floats {
  return layouts().concat([x]);
}

/** C = op(A) · op(B), (m × n). */
export function product(a: Shaped, b: Shaped, transposeA: boolean, transposeB: boolean): Computed {
  const [m, k] = transposeA ? [a.cols, a.rows] : [a.rows, a.cols];
  const n = transposeB ? b.rows : b.cols;
  const { gemm } = products();
  const { hasNaN, quietRows, withoutRows } = backwards();
  const { transpose } = layouts();
  // C = op(A)·op(B): ∂op(A) = dC·op(B)ᵀ, ∂op(B) = op(A)ᵀ·dC; where op transposes, the factors change places.
  const dLeft = (right: Floats, dC: Floats) =>
    transposeA
      ? gemm({ m: k, n: m, k: n, a: right, b: dC, transposeA: transposeB, transposeB: true })
      : gemm({ m, n: k, k: n, a: dC, b: right, transposeB: !transposeB });
  const dRight = (left: Floats, dC: Floats) =>
    transposeB
      ? gemm({ m: n, n: k, k: m, a: dC, b: left, transposeA: true, transposeB: transposeA })
      : gemm({ m: k, n, k: m, a: left, b: dC, transposeA: !transposeA });
  /** A copy of x with 0 in these of its `count` vectors of k entries: its rows or its columns. */
  const without = (x: Floats, quiet: Int32Array, count: number, areRows: boolean) =>
    areRows ? withoutRows(x, quiet, k) : transpose(withoutRows(transpose(x, k, count), quiet, k), count, k);
  // A NaN in row i of op(A) is in a whole row of ∂op(B), also where row i of dC is 0; one in column j of op(B) in a whole
  // column of ∂op(A), also where column j of dC is 0: see reference/quiet-rows.ts.
  const gradientA = (dC: Floats) => {
    const dA = dLeft(b.data, dC);
    const columns = hasNaN(dA, transposeA ? m : 1, k) ? quietRows(transpose(dC, m, n), n, m) : NONE;
    return columns.length === 0 ? dA : dLeft(without(b.data, columns, n, transposeB), dC);
  };
  const gradientB = (dC: Floats) => {
    const dB = dRight(a.data, dC);
    const rows = hasNaN(dB, transposeB ? 1 : n, k) ? quietRows(dC, m, n) : NONE;
    return rows.length === 0 ? dB : dRight(without(a.data, rows, m, !transposeA), dC);
  };
  return {
    rows: m,
    cols: n,
    data: gemm({ m, n, k, a: a.data, b: b.data, transposeA, transposeB }),
    backward: (dC, [wantsA, wantsB] = BOTH) => [wantsA ? gradientA(dC) : undefined, wantsB ? gradientB(dC) : undefined],
  };
}

/** C = A ∘ B for one of + − × /; a B of one row stands for that row repeated. */
export function elementwise(operation: BinaryOperation, a: Shaped, b: Shaped): Computed {
  const { binary, scale } = elementwiseKernels();
  const { quieted, shareOfMaximum, sumRows } = backwards();
  const { rows, cols } = a;
  const data = binary(operation, a.data, b.data);
  const toB = (dRepeated: Floats) => (b.rows === rows ? dRepeated : sumRows(dRepeated, rows, cols));
  const backward: Record<BinaryOperation, Backward> = {
    add: (dC, [, wantsB] = BOTH) => [dC, wantsB ? toB(dC) : undefined], // C = A + B
    subtract: (dC, [, wantsB] = BOTH) => [dC, wantsB ? scale(toB(dC), -1) : undefined], // C = A − B
    // C = A∘B
    multiply: (dC, [wantsA, wantsB] = BOTH) => [
      wantsA ? quieted(binary('multiply', dC, b.data), dC, rows, cols) : undefined,
      wantsB ? toB(quieted(binary('multiply', dC, a.data), dC, rows, cols)) : undefined,
    ],
    // C = max(A, B): each gives where it is the larger, both a half where they are equal
    maximum: (dC) => {
      const dA = quieted(binary('multiply', dC, shareOfMaximum(a.data, b.data)), dC, rows, cols);
      return [dA, toB(binary('subtract', dC, dA))];
    },
    // C = A/B: ∂A = dC/B, ∂B = −dC∘C/B
    divide: (dC, [wantsA, wantsB] = BOTH) => [
      wantsA ? quieted(binary('divide', dC, b.data), dC, rows, cols) : undefined,
      wantsB
        ? scale(toB(quieted(binary('divide', binary('multiply', dC, data), b.data), dC, rows, cols)), -1)
        : undefined,
    ],
  };
  return { rows, cols, data, backward: backward[operation] };
}

/** e^x, log x, √x, tanh x or |x| of every entry. */
export function elementary(operation: ElementaryOperation, x: Shaped): Computed {
  return entrywise(elementwiseKernels(), operation, x);
}

/** y = f(x) of every entry, by one of the families that know such an f. */
export function entrywise<Operation extends UnaryOperation>(
  { unary }: UnaryKernels<Operation>,
  operation: Operation,
  x: Shaped,
): Computed {
  const { quieted, unaryBackward } = backwards();
  const { rows, cols } = x;
  const data = unary(operation, x.data);
  const backward: Backward = (dY) => [quieted(unaryBackward(operation, x.data, data, dY), dY, rows, cols)];
  return { rows, cols, data, backward };
}

/** x^exponent of every entry. */
export function raised(x: Shaped, exponent: number): Computed {
  const { binary, power, scale } = elementwiseKernels();
  const { quieted } = backwards();
  const { rows, cols } = x;
  // Y = X^p: ∂X = p·X^(p − 1)∘dY; X^0 is 1 everywhere, and its slope 0, also where X^−1 is infinite.
  const slope = () => scale(power(x.data, exponent === 0 ? 0 : exponent - 1), exponent);
  const backward: Backward = (dY) => [quieted(binary('multiply', slope(), dY), dY, rows, cols)];
  return { rows, cols, data: power(x.data, exponent), backward };
}

/** Entries of a where the condition is not 0, of b elsewhere; all of one shape. */
export function selected(condition: Shaped, a: Shaped, b: Shaped): Computed {
  const { select } = elementwiseKernels();
  const { rows, cols } = a;
  const data = select(condition.data, a.data, b.data);
  // Each gets the gradient of its entries; the condition is no function of anything.
  const backward: Backward = (dC) => {
    const none = table(dC.length);
    return [select(condition.data, dC, none), select(condition.data, none, dC)];
  };
  return { rows, cols, data, backward };
}

export function transposed(x: Shaped): Computed {
  const { transpose } = layouts();
  const backward: Backward = (dY) => [transpose(dY, x.cols, x.rows)]; // Y = Xᵀ
  return { rows: x.cols, cols: x.rows, data: transpose(x.data, x.rows, x.cols), backward };
}

export function scaled(x: Shaped, factor: number): Computed {
  const { scale } = elementwiseKernels();
  const backward: Backward = (dY) => [scale(dY, factor)]; // Y = factor·X
  return { rows: x.rows, cols: x.cols, data: scale(x.data, factor), backward };
}

export function cloned(x: Shaped): Computed {
  return { rows: x.rows, cols: x.cols, data: copied(x.data), backward: (dY) => [dY] };
}

/** Softmax of every row. */
export function softmaxRows(x: Shaped): Computed {
  const { rows, cols } = x;
  const { softmax } = softmaxKernels();
  const { quieted, softmaxBackward } = backwards();
  const data = softmax(x.data, rows, cols);
  return { rows, cols, data, backward: (dY) => [quieted(softmaxBackward(data, dY, rows, cols), dY, rows, cols)] };
}

/** Log-softmax of every row. */
export function logSoftmaxRows(x: Shaped): Computed {
  const { rows, cols } = x;
  const { logSoftmax } = losses();
  const { logSoftmaxBackward, quieted } = backwards();
  const data = logSoftmax(x.data, rows, cols);
  return {
    rows,
    cols,
    data,
    backward: (dY) => [quieted(logSoftmaxBackward(data, dY, rows, cols), dY, rows, cols)],
  };
}

/** The column of the largest entry of every row, the first of equals; a NaN counts as largest. */
export function largestOfRows({ rows, cols, data }: Shaped): OwnIntegers {
  return elementwiseKernels().argmax(data, rows, cols);
}

/** factor · Σ x, 1×1. */
export function total(x: Shaped, factor: number): Computed {
  const { scale, sum } = elementwiseKernels();
  const plain = sum(x.data);
  const { broadcast } = backwards();
  const backward: Backward = (dY) => [broadcast(dY, x.data.length, factor)]; // y = factor·Σ x
  return { rows: 1, cols: 1, data: factor === 1 ? plain : scale(plain, factor), backward };
}

/** Rows [start, end). */
export function rowSlice(x: Shaped, start: number, end: number): Computed {
  const { rows, cols } = x;
  const entries = columnSlice({ rows: 1, cols: rows * cols, data: x.data }, start * cols, end * cols);
  return { ...entries, rows: end - start, cols };
}

/** Columns [start, end). */
export function columnSlice(x: Shaped, start: number, end: number): Computed {
  const { rows, cols } = x;
  const { sliceColumns } = layouts();
  const { sliceColumnsBackward } = backwards();
  const backward: Backward = (dY) => [sliceColumnsBackward(dY, rows, cols, start, end)]; // Y = columns from start on
  return { rows, cols: end - start, data: sliceColumns(x.data, rows, cols, start, end), backward };
}

/** The parts below one another; they have equal columns. */
export function stacked(parts: readonly Shaped[], cols: number): Computed {
  const { concat, sliceColumns } = layouts();
  const data = concat(parts.map((part) => part.data));
  const starts = startsOf(parts.map((part) => part.data.length));
  // Y = the parts in order: each gets its piece of dY.
  const backward: Backward = (dY) => parts.map((_, i) => sliceColumns(dY, 1, dY.length, starts[i], starts[i + 1]));
  return { rows: parts.reduce((rows, part) => rows + part.rows, 0), cols, data, backward };
}

/** The parts side by side; they have equal rows. */
export function sideBySide(parts: readonly Shaped[], rows: number): Computed {
  const { concatColumns, sliceColumns } = layouts();
  const cols = parts.reduce((width, part) => width + part.cols, 0);
  const data = concatColumns(
    parts.map((part) => part.data),
    rows,
  );
  const starts = startsOf(parts.map((part) => part.cols));
  const backward: Backward = (dY) => parts.map((_, i) => sliceColumns(dY, rows, cols, starts[i], starts[i + 1]));
  return { rows, cols, data, backward };
}

/** Where pieces of these lengths begin, one after another, and where the last ends. */
function startsOf(lengths: readonly number[]): number[] {
  const starts = [0];
  for (const length of lengths) starts.push(starts[starts.length - 1] + length);
  return starts;
}
