/** Plain arithmetic that rounds after every step, or does not. */
export interface Arithmetic {
  readonly round: (x: number) => number;
  /** a (m × k) times the transpose of b (n × k): every element is the dot product of two rows, from first to last. */
  readonly dots: (a: Float64Array, b: Float64Array, m: number, k: number, n: number) => Float64Array;
}

// The two loops differ only in rounding. A loop that is given `round` would call it for every number: 20 times slower.
// Four columns at a time wait for each other's additions four times less.

function exactDots(a: Float64Array, b: Float64Array, m: number, k: number, n: number): Float64Array {
  const out = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j += 4) {
      // Beyond the last column the last one is computed again.
      const b0 = j * k;
      const b1 = Math.min(j + 1, n - 1) * k;
      const b2 = Math.min(j + 2, n - 1) * k;
      const b3 = Math.min(j + 3, n - 1) * k;
      let [c0, c1, c2, c3] = [0, 0, 0, 0];
      for (let p = 0; p < k; p++) {
        const factor = a[i * k + p];
        c0 += factor * b[b0 + p];
        c1 += factor * b[b1 + p];
        c2 += factor * b[b2 + p];
        c3 += factor * b[b3 + p];
      }
      setFew(out, i * n + j, n - j, c0, c1, c2, c3);
    }
  }
  return out;
}

function plainDots(a: Float64Array, b: Float64Array, m: number, k: number, n: number): Float64Array {
  const out = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j += 4) {
      const b0 = j * k;
      const b1 = Math.min(j + 1, n - 1) * k;
      const b2 = Math.min(j + 2, n - 1) * k;
      const b3 = Math.min(j + 3, n - 1) * k;
      let [c0, c1, c2, c3] = [0, 0, 0, 0];
      for (let p = 0; p < k; p++) {
        const factor = a[i * k + p];
        c0 = Math.fround(c0 + Math.fround(factor * b[b0 + p]));
        c1 = Math.fround(c1 + Math.fround(factor * b[b1 + p]));
        c2 = Math.fround(c2 + Math.fround(factor * b[b2 + p]));
        c3 = Math.fround(c3 + Math.fround(factor * b[b3 + p]));
      }
      setFew(out, i * n + j, n - j, c0, c1, c2, c3);
    }
  }
  return out;
}

function setFew(out: Float64Array, at: number, count: number, c0: number, c1: number, c2: number, c3: number): void {
  out[at] = c0;
  if (count > 1) out[at + 1] = c1;
  if (count > 2) out[at + 2] = c2;
  if (count > 3) out[at + 3] = c3;
}

/** Float64: the oracle. */
export const exactly: Arithmetic = { round: (x) => x, dots: exactDots };

/** What a careful float32 program gets, the measure of the error law. */
export const inFloat32: Arithmetic = { round: Math.fround, dots: plainDots };

/** (rows × cols) to (cols × rows). */
export function transposed(x: ArrayLike<number>, rows: number, cols: number): Float64Array {
  const out = new Float64Array(rows * cols);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) out[j * rows + i] = x[i * cols + j];
  }
  return out;
}

/** Some rows of x (… × cols), in their order. */
export function rowsOf(x: ArrayLike<number>, rows: readonly number[], cols: number): Float64Array {
  const out = new Float64Array(rows.length * cols);
  rows.forEach((row, r) => {
    for (let c = 0; c < cols; c++) out[r * cols + c] = x[row * cols + c];
  });
  return out;
}
