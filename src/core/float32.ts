/**
 * Whether a number means the same in float32: it is kept with all its digits there, or is 0, infinite or NaN in both. The WASM
 * kernels hold scalars so.
 */
export function fitsFloat32(x: number): boolean {
  const size = Math.abs(x);
  if (!(size > 0 && size < Number.POSITIVE_INFINITY)) return true;
  return size >= 2 ** -126 && Math.fround(size) < Number.POSITIVE_INFINITY;
}
