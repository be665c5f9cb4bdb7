import { describe, kindError, requireArrayLike } from '../core/errors.js';
import type { StoredTensor } from '../core/stored-tensor.js';

const NOT_A_MASK = 'mask must be boolean[][], a Uint8Array, or a stored tensor of BOOL or U8';

/**
 * A mask of torch.nn.MultiheadAttention, where true or 1 means "may NOT attend", as the library's, where it means "may":
 * attn_mask as `mask` (of all heads as (numHeads·Lq × Lk)), key_padding_mask as `keyMask`. An additive mask of floats is
 * our `bias` as it is.
 *
 * @param mask  rows of flags, flags, or a stored tensor of them
 * @returns  rows where rows are given, else one byte a flag
 * @throws TypeError  for wrong kinds, an additive mask among them
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html
 * @example const out = attention.forward(x, { mask: maskFromTorchMHA(attnMask), keyMask: maskFromTorchMHA(keyPaddingMask) });
 */
export function maskFromTorchMHA<M extends readonly (readonly boolean[])[] | Uint8Array | StoredTensor>(
  mask: M,
): M extends readonly unknown[] ? boolean[][] : Uint8Array {
  return invertedMask(mask) as ReturnType<typeof maskFromTorchMHA<M>>;
}

function invertedMask(mask: unknown): boolean[][] | Uint8Array {
  const where = 'maskFromTorchMHA';
  if (Array.isArray(mask)) return mask.map((row, r) => inverted(where, `mask[${r}]`, row, (may) => may));
  const { dtype, data } = isTensor(mask) ? mask : { dtype: 'U8', data: mask };
  if (dtype === 'BOOL' || dtype === 'U8') {
    if (Object.prototype.toString.call(data) === '[object Uint8Array]') {
      return Uint8Array.from(inverted(where, 'mask', data, Number));
    }
  } else if (isTensor(mask)) {
    throw kindError(where, NOT_A_MASK, `got dtype ${describe(dtype)}`, 'an additive mask is the option bias, as it is');
  }
  throw kindError(where, NOT_A_MASK, `got ${describe(mask)}`);
}

function isTensor(mask: unknown): mask is StoredTensor {
  return Object.prototype.toString.call(mask) === '[object Object]' && 'dtype' in (mask as object);
}

function inverted<Flag>(where: string, name: string, flags: unknown, as: (may: boolean) => Flag): Flag[] {
  requireArrayLike(where, name, flags);
  return Array.from({ length: flags.length }, (_, i) => {
    const flag = flags[i];
    if (typeof flag === 'boolean' || flag === 0 || flag === 1) return as(!flag);
    throw kindError(where, `${name}[${i}] must be true or false`, `got ${describe(flag)}`);
  });
}
