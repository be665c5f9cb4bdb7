import type { Matrix, StoredTensor } from 'qkv';

// Parameters as other libraries store them, written out plainly.

/** W (inputs × outputs) as torch.nn.Linear's weight (outputs × inputs); several below one another. */
export function storedLinear(...weights: (Matrix | undefined)[]): StoredTensor {
  const rows = weights.flatMap((W) => (W ? columns(W) : []));
  return { dtype: 'F32', shape: [rows.length, rows[0].length], data: Float32Array.from(rows.flat()) };
}

/** W (inputs × outputs) as it is; several beside one another. */
export function storedBeside(...weights: (Matrix | undefined)[]): StoredTensor {
  const all = weights.flatMap((W) => (W ? columns(W) : []));
  const inputs = all[0].length;
  const data = Float32Array.from({ length: inputs * all.length }, (_, i) => all[i % all.length][(i / all.length) | 0]);
  return { dtype: 'F32', shape: [inputs, all.length], data };
}

/** Rows (1 × n) one after another, in the given shape, default one axis. */
export function storedVector(rows: readonly (Matrix | undefined)[], shape?: number[]): StoredTensor {
  const data = Float32Array.from(rows.flatMap((row) => [...(row?.data ?? [])]));
  return { dtype: 'F32', shape: shape ?? [data.length], data };
}

function columns(W: Matrix): number[][] {
  return Array.from({ length: W.cols }, (_, c) => Array.from({ length: W.rows }, (_, r) => W.data[r * W.cols + c]));
}

/** Every parameter a different number: biases, which start at 0, and gains too. */
export function filled<M extends { parameters(): Matrix[] }>(module: M): M {
  let n = 0;
  for (const { data } of module.parameters())
    for (let i = 0; i < data.length; i++) data[i] = Math.fround(Math.sin(++n));
  return module;
}

/** Names, kinds, shapes and bits. */
export function pictures(state: ReadonlyMap<string, StoredTensor>): Record<string, unknown> {
  const picture = ({ dtype, shape, data: { buffer, byteOffset, byteLength } }: StoredTensor) =>
    `${dtype} [${shape}] ${Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength).toString('hex')}`;
  return Object.fromEntries([...state].map(([name, tensor]) => [name, picture(tensor)]));
}
