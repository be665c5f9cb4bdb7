import { describe, kindError, requireInteger, requireNumber, shapeError } from '../../core/errors.js';

// Who sees whom by position: causal, causalOffset and window.

/** As in AttentionOptions. */
interface Reach {
  causal?: boolean | 'top-left';
  causalOffset?: number;
  window?: number | readonly [left: number, right: number];
}

/** So that an offset, a row and a reach sum within 32 bits. */
const MAX_OFFSET = 2 ** 29;

/** The position of query 0 of every sequence. */
export function checkOffsets(where: string, options: Reach, cuSeqlens: Int32Array, cuSeqlensK: Int32Array) {
  const { causal, causalOffset } = options;
  if (causalOffset !== undefined) requireInteger(where, 'causalOffset', causalOffset, -MAX_OFFSET, MAX_OFFSET);
  if (causal === 'top-left' && causalOffset !== undefined && causalOffset !== 0) {
    throw shapeError(where, "causalOffset must be 0 or absent with causal: 'top-left'", `got ${causalOffset}`);
  }
  const fixed = causal === 'top-left' ? 0 : causalOffset;
  return Int32Array.from({ length: cuSeqlens.length - 1 }, (_, s) => {
    return fixed ?? cuSeqlensK[s + 1] - cuSeqlensK[s] - (cuSeqlens[s + 1] - cuSeqlens[s]);
  });
}

/** How far a query sees: window and causal in one. */
export function checkReach(where: string, { causal = false, window }: Reach): { left: number; right: number } {
  if (causal !== 'top-left' && typeof causal !== 'boolean') {
    const mistake = typeof causal === 'string' ? shapeError : kindError; // as for every choice of words
    throw mistake(where, "causal must be true, false or 'top-left'", `got ${describe(causal)}`);
  }
  const open = Number.POSITIVE_INFINITY;
  if (window === undefined) return { left: open, right: causal ? 0 : open };
  if (typeof window !== 'number') {
    const rule = 'window must be a number or [left, right]';
    if (typeof window !== 'object' || window === null || !('length' in window)) {
      throw kindError(where, rule, `got ${describe(window)}`);
    }
    if (window.length !== 2) throw shapeError(where, rule, `got ${describe(window)}`);
  }
  const [left, right] = typeof window === 'number' ? [window, causal ? 0 : window] : [window[0], window[1]];
  for (const reach of [left, right]) {
    requireNumber(where, 'window', reach);
    if (!(reach >= 0) || (reach !== open && !Number.isInteger(reach))) {
      const rule = 'window must be an integer of at least 0, or Infinity for open';
      throw shapeError(where, rule, `got ${describe(window)}`);
    }
  }
  return { left, right: causal ? 0 : right };
}
