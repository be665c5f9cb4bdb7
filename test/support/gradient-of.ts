import { Matrix, valueAndGrad } from 'qkv';
import { expect } from 'vitest';

/** The gradient of `of`; fails if there is none or it is not dense. */
export function gradientOf(f: () => Matrix, of: Matrix): number[] {
  const found = valueAndGrad(f).gradients.get(of);
  if (!(found instanceof Matrix)) throw new Error(`no dense gradient: ${found}`);
  expect([found.rows, found.cols]).toEqual([of.rows, of.cols]);
  return [...found.data];
}
