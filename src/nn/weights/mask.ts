import { requireArguments } from '../../core/arguments.js';
import type { OwnBytes } from '../../core/array-types.js';
import { describe, kindError, requireArrayLike, shapeError } from '../../core/errors.js';
import type { Mask } from '../../ops/attention/options.js';

/**
 * Inverts a mask of torch.nn.MultiheadAttention, where true or 1 means "may NOT attend"; in this library it means "may".
 * Turns attn_mask (one for all heads, or one per head below one another) into `mask`, and key_padding_mask into `keyMask`. An
 * additive mask of floats needs no change: it is the option `bias`.
 *
 * @param mask  rows of flags, or all flags in one array: the data of a stored BOOL tensor
 * @returns  one byte per flag
 * @throws ShapeError  if rows differ in length; TypeError for wrong kinds, an additive mask among them
 * @see https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html
 * @example const out = attention.forward(x, { mask: maskFromTorchMHA(attnMask), keyMask: maskFromTorchMHA(keyPaddingMask) });
 */
export function maskFromTorchMHA(mask: Mask): OwnBytes {
  const where = 'maskFromTorchMHA';
  requireArguments(where, arguments.length, 1);
  if (!Array.isArray(mask) && Object.prototype.toString.call(mask) !== '[object Uint8Array]') {
    const hint = /^\[object Float/.test(Object.prototype.toString.call(mask))
      ? 'an additive mask is the option bias'
      : undefined;
    throw kindError(where, 'mask must be a Uint8Array or boolean[][]', `got ${describe(mask)}`, hint);
  }
  if (!Array.isArray(mask)) return inverted(where, 'mask', mask);
  requireArrayLike(where, 'mask', mask); // the array may be a length without entries
  const rows = Array.from(mask, (row, r) => inverted(where, `mask[${r}]`, row)); // unlike map, visits holes
  const length = rows[0]?.length ?? 0;
  const uneven = rows.findIndex((row) => row.length !== length);
  if (uneven !== -1) {
    throw shapeError(
      where,
      `rows of mask must have ${length} entries, as the first`,
      `mask[${uneven}] has ${rows[uneven].length}`,
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
