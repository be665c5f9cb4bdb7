import { requireBoolean, requireFinite, shapeError, shapeText } from '../core/errors.js';
import { requireOptions } from '../core/options.js';
import type { Shaped } from './algebra.js';

export interface AllCloseOptions {
  /** Default 1e-6. */
  tolerance?: number;
  /** Default false. */
  equalNaN?: boolean;
}

const OPTIONS: readonly (keyof AllCloseOptions)[] = ['tolerance', 'equalNaN'];

/** |a − b| ≤ tolerance·(1 + |b|) in every entry; infinities are close to themselves alone. */
export function areClose(where: string, a: Shaped, b: Shaped, options: AllCloseOptions): boolean {
  requireOptions(where, options, OPTIONS);
  const { tolerance = 1e-6, equalNaN = false } = options;
  requireFinite(where, 'tolerance', tolerance, 0);
  requireBoolean(where, 'equalNaN', equalNaN);
  if (a.rows !== b.rows || a.cols !== b.cols) {
    throw shapeError(where, 'other must have the same shape', `this is ${shapeText(a)}, other is ${shapeText(b)}`);
  }
  const isClose = (x: number, y: number) =>
    x === y || (Number.isFinite(y) && Math.abs(x - y) <= tolerance * (1 + Math.abs(y)));
  for (let i = 0; i < a.data.length; i++) {
    const [x, y] = [a.data[i], b.data[i]];
    if (!isClose(x, y) && !(equalNaN && Number.isNaN(x) && Number.isNaN(y))) return false;
  }
  return true;
}
