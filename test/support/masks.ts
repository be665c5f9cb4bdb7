import type { Matrix } from 'qkv';
import { broadcast, entry, flatten, resizeLast, swapAxes, type Tensor, toMatrix } from './tensor.js';

/** Masks of a batch as the library reads them: a query may attend where a flag is 1 or a bias is not −∞. */
export interface BatchMasks {
  /** [batch, heads or 1, Lq, Lk]; 1 = for all heads. */
  mask?: Tensor;
  /** The same, added to the logits. */
  bias?: Tensor;
  /** [batch, Lk]. */
  keyMask?: Tensor;
}

export interface MaskOptions {
  mask?: Uint8Array;
  bias?: Matrix;
  keyMask?: Uint8Array;
}

/** A mask of any rank as [batch, heads or 1, Lq, Lk]; last axes that are too short are filled up with "may not attend". */
export function batchMask(mask: Tensor, [batch, heads, rows, keys]: readonly [number, number, number, number]): Tensor {
  const last = mask.shape[mask.shape.length - 1];
  const full =
    last === 1 ? mask : resizeLast(mask, keys, mask.data instanceof Uint8Array ? 0 : Number.NEGATIVE_INFINITY);
  const perHead = full.shape.length >= 3 && full.shape[full.shape.length - 3] !== 1;
  return broadcast(full, [batch, perHead ? heads : 1, rows, keys]);
}

/** The options for sequence n alone. */
export function maskOptions({ mask, bias, keyMask }: BatchMasks, n: number): MaskOptions {
  return {
    mask: mask && (entry(mask, n).data as Uint8Array),
    bias: bias && toMatrix(flatten(entry(bias, n), 2)),
    keyMask: keyMask && (entry(keyMask, n).data as Uint8Array),
  };
}

/** The options for all sequences packed: row h·(all rows) + row of the batch. */
export function packedMaskOptions({ mask, bias, keyMask }: BatchMasks): MaskOptions {
  return {
    mask: mask && (swapAxes(mask, 0, 1).data as Uint8Array),
    bias: bias && toMatrix(flatten(swapAxes(bias, 0, 1), 3)),
    keyMask: keyMask && (keyMask.data as Uint8Array),
  };
}

/** Whether query i of every row may attend exactly the keys j with −left ≤ j − i − offset ≤ right. */
export function isBand({ shape, data }: Tensor, offset: number, left: number, right: number): boolean {
  const [rows, keys] = shape.slice(-2);
  return Array.from(data).every((flag, index) => {
    const i = Math.floor(index / keys) % rows;
    const distance = (index % keys) - i - offset;
    return (flag !== 0) === (-left <= distance && distance <= right);
  });
}

/** The flags of a bias that holds only 0 ("may attend") and −∞ ("may not"); undefined for any other bias. */
export function flagsOfBias({ shape, data }: Tensor): Tensor | undefined {
  const pure = Array.from(data).every((value) => value === 0 || value === Number.NEGATIVE_INFINITY);
  return pure ? { shape, data: Uint8Array.from(data, (value) => (value === 0 ? 1 : 0)) } : undefined;
}
