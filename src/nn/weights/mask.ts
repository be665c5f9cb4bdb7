import type { OwnBytes } from '../../core/array-types.js';
import { describe, kindError, requireArrayLike, shapeError } from '../../core/errors.js';
import type { Mask } from '../../ops/attention/options.js';

/**
 * A mask of torch.nn.MultiheadAttention, where true or 1 means "may NOT attend", as the library's, where it means "may":
 * attn_mask for `mask` (of all heads below one another), key_padding_mask for `keyMask`. An additive mask of floats is the
 * option `bias`, as it is.
 *
 * @param mask  rows of flags, or the flags one after another: the data of a stored BOOL tensor
 * @returns  one byte a flag
 * @throws ShapeError  if rows differ in length; TypeError for wrong kinds, an additive mask among them
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html
 * @example const out = attention.forward(x, { mask: maskFromTorchMHA(attnMask), keyMask: maskFromTorchMHA(keyPaddingMask) });
 */
export function maskFromTorchMHA(mask: Mask): OwnBytes {
  const where = 'maskFromTorchMHA';
  if (!Array.isArray(mask) && Object.prototype.toString.call(mask) !== '[object Uint8Array]') {
    const hint = /^\[object Float/.test(Object.prototype.toString.call(mask))
      ? 'an additive mask is the option bias'
      : undefined;
    throw kindError(where, 'mask must be a Uint8Array or boolean[][]', `got ${describe(mask)}`, hint);
  }
  if (!Array.isArray(mask)) return inverted(where, 'mask', mask);
  requireArrayLike(where, 'mask', mask); // not only its length
  const rows = Array.from(mask, (row, r) => inverted(where, `mask[${r}]`, row)); // of holes too
  const length = rows[0]?.length ?? 0;
  const other = rows.findIndex((row) => row.length !== length);
  if (other !== -1) {
    throw shapeError(
      where,
      `rows of mask must have ${length} entries, as the first`,
      `mask[${other}] has ${rows[other].length}`,
    );
  }
  const out = new Uint8Array(rows.length * length);
  rows.forEach((row, r) => out.set(row, r * length));
  return out;
}

function inverted(where: string, name: string, flags: unknown): OwnBytes {
  requireArrayLike(where, name, flags);
  const out = new Uint8Array(flags.length);
  for (let i = 0; i < out.length; i++) {
    const flag = flags[i];
    if (typeof flag !== 'boolean' && flag !== 0 && flag !== 1) {
      throw kindError(where, `${name}[${i}] must be true or false`, `got ${describe(flag)}`);
    }
    out[i] = flag ? 0 : 1;
  }
  return out;
}
