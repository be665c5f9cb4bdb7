import { Matrix } from 'qkv';

/** Numbers of any kind; a Uint8Array holds flags. */
export type TensorData = Float32Array | Float64Array | Int32Array | Uint8Array;

/** A tensor of any number of dimensions, row-major, as test data bring it. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** Rows and columns over any storage; a Matrix is one. */
export interface Table {
  readonly rows: number;
  readonly cols: number;
  readonly data: ArrayLike<number>;
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

export function isFlags(tensor: Tensor): boolean {
  return tensor.data instanceof Uint8Array;
}

/** A named member of a case; throws where the case has none. */
export function need(tensors: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new Error(`the case has no tensor ${name}, only ${[...tensors.keys()].join(', ')}`);
  return tensor;
}

/** The tensor repeated to `shape`; axes are matched from the right, those of extent 1 or absent are repeated. */
export function broadcast(tensor: Tensor, shape: readonly number[]): Tensor {
  const missing = shape.length - tensor.shape.length;
  const extents = shape.map((_, axis) => (axis < missing ? 1 : tensor.shape[axis - missing]));
  extents.forEach((extent, axis) => {
    if (extent === 1 || extent === shape[axis]) return;
    throw new Error(`cannot broadcast [${tensor.shape}] to [${shape}]`);
  });
  const data = sameKind(tensor.data, sizeOf(shape));
  for (let i = 0; i < data.length; i++) {
    let rest = i;
    let from = 0;
    let stride = 1;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (extents[axis] !== 1) from += (rest % shape[axis]) * stride;
      rest = Math.floor(rest / shape[axis]);
      stride *= extents[axis];
    }
    data[i] = tensor.data[from];
  }
  return { shape, data };
}

/** The last axis cut, or lengthened with `fill`, to `length`. */
export function resizeLast(tensor: Tensor, length: number, fill: number): Tensor {
  const old = tensor.shape[tensor.shape.length - 1];
  if (old === length) return tensor;
  const shape = [...tensor.shape.slice(0, -1), length];
  const data = sameKind(tensor.data, sizeOf(shape)).fill(fill);
  for (let i = 0; i < data.length; i++) {
    const column = i % length;
    if (column < old) data[i] = tensor.data[Math.floor(i / length) * old + column];
  }
  return { shape, data };
}

/** Two axes exchanged. */
export function swapAxes(tensor: Tensor, a: number, b: number): Tensor {
  const order = tensor.shape.map((_, axis) => (axis === a ? b : axis === b ? a : axis));
  const shape = order.map((axis) => tensor.shape[axis]);
  const strides = tensor.shape.map((_, axis) => sizeOf(tensor.shape.slice(axis + 1)));
  const data = sameKind(tensor.data, tensor.data.length);
  for (let i = 0; i < data.length; i++) {
    let rest = i;
    let from = 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += (rest % shape[axis]) * strides[order[axis]];
      rest = Math.floor(rest / shape[axis]);
    }
    data[i] = tensor.data[from];
  }
  return { shape, data };
}

/** Entry n of the first axis. */
export function entry(tensor: Tensor, n: number): Tensor {
  const shape = tensor.shape.slice(1);
  const size = sizeOf(shape);
  return { shape, data: tensor.data.slice(n * size, (n + 1) * size) };
}

/** The axes before `axis` as rows, the rest as columns. */
export function flatten(tensor: Tensor, axis: number): Table {
  const cut = axis < 0 ? axis + tensor.shape.length : axis;
  return { rows: sizeOf(tensor.shape.slice(0, cut)), cols: sizeOf(tensor.shape.slice(cut)), data: tensor.data };
}

/** Sequence n of [batch, heads, rows, width] or [batch, rows, width] in the library's layout: heads are column blocks. */
export function sequence(tensor: Tensor, n: number): Table {
  const one = entry(tensor, n);
  return one.shape.length === 2 ? flatten(one, 1) : flatten(swapAxes(one, 0, 1), 1);
}

/** All sequences. */
export function sequences(tensor: Tensor): Table[] {
  return Array.from({ length: tensor.shape[0] }, (_, n) => sequence(tensor, n));
}

/** Tables of equal width, one below the other. */
export function stacked(tables: readonly Table[]): Table {
  const data = tables.flatMap((table) => Array.from(table.data));
  return { rows: tables.reduce((rows, table) => rows + table.rows, 0), cols: tables[0].cols, data };
}

/** A Matrix of the same numbers. Inputs are float32 in all the data, so that nothing is rounded. */
export function toMatrix({ rows, cols, data }: Table): Matrix {
  return new Matrix(rows, cols, Float32Array.from(data));
}

function sameKind(data: TensorData, length: number): TensorData {
  if (data instanceof Float32Array) return new Float32Array(length);
  if (data instanceof Float64Array) return new Float64Array(length);
  return data instanceof Int32Array ? new Int32Array(length) : new Uint8Array(length);
}
