import { Matrix, valueAndGrad } from 'qkv';
import { expect } from 'vitest';

/** The dense gradient of `of`; fails where there is none. */
export function gradientOf(f: () => Matrix, of: Matrix): number[] {
  const found = valueAndGrad(f).gradients.get(of);
  if (!(found instanceof Matrix)) throw new Error(`no dense gradient: ${found}`);
  expect([found.rows, found.cols]).toEqual([of.rows, of.cols]);
  return [...found.data];
}
