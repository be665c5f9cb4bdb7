import { shapeError } from '../../core/errors.js';
import type { Signs } from './names.js';

/** An option that would have to be another for a layout to have a place for a layer. */
export interface Misfit {
  option: string;
  must: string;
  got: string;
}

/** The misfit, unless it holds. */
export function unless(holds: boolean, option: string, must: unknown, got: unknown): Misfit[] {
  return holds ? [] : [{ option, must: String(must), got: String(got) }];
}

/** A layout that has no place for a layer is refused with the options that would have to change, there and elsewhere. */
export function requireFit<Layout extends string>(
  where: string,
  signs: Signs<Layout>,
  layout: Layout,
  misfitsIn: (layout: Layout) => Misfit[],
): void {
  const misfits = misfitsIn(layout);
  if (misfits.length === 0) return;
  const others = (Object.keys(signs) as Layout[]).filter((other) => other !== layout);
  const needs = (other: Layout) => misfitsIn(other).map(({ option, must }) => `${option} ${must}`);
  const fitting = others.find((other) => misfitsIn(other).length === 0);
  const hint =
    fitting === undefined
      ? others.map((other) => `layout '${other}' needs ${needs(other).join(', ')}`).join('; ')
      : `layout: '${fitting}' has a place for it`;
  const rule = misfits.map(({ option, must }) => `${option} must be ${must}`).join(' and ');
  throw shapeError(where, `${rule} in layout '${layout}'`, `got ${misfits.map(({ got }) => got).join(' and ')}`, hint);
}
