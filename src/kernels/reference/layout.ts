import type { Allocate, Floats, SparseRows } from '../contract.js';

// Kernels that move numbers, and what comes back to where they were.

/** (rows × cols) to (cols × rows). */
export function transpose(allocate: Allocate, x: Floats, rows: number, cols: number): Floats {
  const out = allocate(x.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) out[c * rows + r] = x[r * cols + c];
  return out;
}

/** Columns [start, end) of x (rows × cols). */
export function sliceColumns(
  allocate: Allocate,
  x: Floats,
  rows: number,
  cols: number,
  start: number,
  end: number,
): Floats {
  const width = end - start;
  const out = allocate(rows * width);
  for (let r = 0; r < rows; r++) out.set(view(x, r * cols + start, r * cols + end), r * width);
  return out;
}

/** dX (rows × cols) of its columns [start, end): dY there, 0 elsewhere. */
export function sliceColumnsBackward(
  allocate: Allocate,
  dY: Floats,
  rows: number,
  cols: number,
  start: number,
  end: number,
): Floats {
  const width = end - start;
  const dX = allocate(rows * cols);
  for (let r = 0; r < rows; r++) dX.set(view(dY, r * width, (r + 1) * width), r * cols + start);
  return dX;
}

/** The parts one after another: matrices of equal columns below one another. */
export function concat(allocate: Allocate, parts: readonly Floats[]): Floats {
  const out = allocate(parts.reduce((total, part) => total + part.length, 0));
  let start = 0;
  for (const part of parts) {
    out.set(part, start);
    start += part.length;
  }
  return out;
}

/** Parts of equal rows side by side. */
export function concatColumns(allocate: Allocate, parts: readonly Floats[], rows: number): Floats {
  const out = allocate(parts.reduce((total, part) => total + part.length, 0));
  let start = 0;
  for (let r = 0; r < rows; r++) {
    for (const part of parts) {
      const cols = part.length / rows;
      out.set(part.subarray(r * cols, (r + 1) * cols), start);
      start += cols;
    }
  }
  return out;
}

/** Row r of the result is row ids[r] of the table (… × cols). */
export function gatherRows(allocate: Allocate, table: Floats, cols: number, ids: Int32Array): Floats {
  const out = allocate(ids.length * cols);
  for (let r = 0; r < ids.length; r++) out.set(view(table, ids[r] * cols, (ids[r] + 1) * cols), r * cols);
  return out;
}

/** target[at + i] = source[start + i] up to `end`. */
export function write(target: Floats, at: number, source: Floats, start: number, end: number): void {
  target.set(view(source, start, end), at);
}

/** All rows of a matrix (rows × cols), those that are not named 0. */
export function scatterRows(allocate: Allocate, sparse: SparseRows, rows: number, cols: number): Floats {
  const out = allocate(rows * cols);
  sparse.rows.forEach((row, i) => out.set(view(sparse.values, i * cols, (i + 1) * cols), row * cols));
  return out;
}

/** The backward of gatherRows: for every id but `ignored` the sum of the rows of dOut that read it, in their order. */
export function gatherRowsBackward(
  allocate: Allocate,
  dOut: Floats,
  cols: number,
  ids: Int32Array,
  ignored?: number,
): SparseRows {
  const readers = new Map<number, number[]>();
  for (let r = 0; r < ids.length; r++) {
    if (ids[r] === ignored) continue;
    const others = readers.get(ids[r]);
    if (others === undefined) readers.set(ids[r], [r]);
    else others.push(r);
  }
  const rows = Int32Array.from(readers.keys()).sort();
  const values = allocate(rows.length * cols);
  const sums = new Float64Array(cols); // of one row at a time: a table of them would be twice its size
  rows.forEach((id, i) => {
    sums.fill(0);
    for (const r of readers.get(id) ?? []) for (let c = 0; c < cols; c++) sums[c] += dOut[r * cols + c];
    values.set(sums, i * cols);
  });
  return { rows, values };
}

/** x.subarray of a view that nobody keeps, which a resident array need not know of. */
function view(x: Floats, start: number, end: number): Floats {
  return Float32Array.prototype.subarray.call(x as Float32Array, start, end);
}
