/**
 * Whether float32, in which the WASM kernels hold scalars, can hold this number with full precision (neither subnormal nor
 * overflowing), or the number is 0, infinite or NaN, which are the same in both.
 */
export function fitsFloat32(x: number): boolean {
  const size = Math.abs(x);
  if (!(size > 0 && size < Number.POSITIVE_INFINITY)) return true;
  return size >= 2 ** -126 && Math.fround(size) < Number.POSITIVE_INFINITY;
}
