import type { Allocate, Floats, SparseRows } from '../contract.js';

// Kernels that move numbers and compute nothing.

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
  for (let r = 0; r < rows; r++) out.set(x.subarray(r * cols + start, r * cols + end), r * width);
  return out;
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

/** The backward of gatherRows: for every id but `ignored` the sum of the rows of dOut that read it, in their order. */
export function gatherRowsBackward(
  allocate: Allocate,
  dOut: Floats,
  cols: number,
  ids: Int32Array,
  ignored?: number,
): SparseRows {
  const rows = Int32Array.from(new Set(ids.filter((id) => id !== ignored))).sort();
  const place = new Map(Array.from(rows, (id, i) => [id, i]));
  const values = allocate(rows.length * cols);
  for (let r = 0; r < ids.length; r++) {
    const target = place.get(ids[r]);
    if (target === undefined) continue;
    for (let c = 0; c < cols; c++) values[target * cols + c] += dOut[r * cols + c];
  }
  return { rows, values };
}

/** x.subarray of a view that nobody keeps, which a resident array need not know of. */
function view(x: Floats, start: number, end: number): Floats {
  return Float32Array.prototype.subarray.call(x as Float32Array, start, end);
}
