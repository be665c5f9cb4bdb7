import { shapeError } from '../../core/errors.js';
import type { Signs } from './names.js';

/** An option whose value a layout cannot store. */
export interface Misfit {
  option: string;
  /** What the option must be in that layout. */
  must: string;
  got: string;
}

/** No misfit if the condition holds, else this one. */
export function unless(holds: boolean, option: string, must: unknown, got: unknown): Misfit[] {
  return holds ? [] : [{ option, must: String(must), got: String(got) }];
}

/** Refuses a layout that cannot store a layer; the message names the options that would have to change in every layout. */
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
