import { capabilities, Matrix, setKernels, setSeed } from '../../src/index.js';
import { type GoodCall, invoke } from '../calls/callable.js';
import { GOOD_CALLS } from '../calls/registry.js';
import { grammarFault } from './grammar.js';
import { libraryState, picture, stateAfter } from './state.js';

/** A place in a call that a bad value can take: a parameter, or an option of one. */
export interface Place {
  /** The callable, as in the list. */
  name: string;
  /** Which argument. */
  index: number;
  /** The path of the option within it; empty for the parameter itself. */
  path: readonly string[];
}

const SEED = 11;

/** A class where a function is asked for: called, it throws an error of the engine, which is the caller's own. */
const CALLED_CLASS = /^TypeError: Class constructor \w* ?cannot be invoked without 'new'$/;

/**
 * A good call with some places taken by other values. Returns what it threw, or undefined where the values were accepted.
 * Throws itself where the error is none of the library's, where a refused call left a trace, or where a matrix came back
 * whose shape is none.
 */
export function attempt(name: string, replaced: readonly (readonly [Place, unknown])[]): Error | undefined {
  const active = capabilities().kernels;
  const untouched = stateAfter(SEED);
  const good = GOOD_CALLS[name]();
  const call = replaced.reduce((bad, [place, value]) => replacedBy(bad, place, value), good);
  setSeed(SEED);
  const label = `${name}(${replaced.map(([{ index, path }, value]) => `${[index, ...path].join('.')} = ${text(value)}`)})`;
  const before = picture([good, call, good.hidden?.()]);
  let result: unknown;
  try {
    result = invoke(name, call);
  } catch (error) {
    const fault = CALLED_CLASS.test(String(error)) ? undefined : grammarFault(error);
    if (fault !== undefined) throw new Error(`${label} threw ${fault}`);
    if (picture([good, call, good.hidden?.()]) !== before)
      throw new Error(`${label} threw, and changed its object or its arguments`);
    if (libraryState() !== untouched) throw new Error(`${label} threw, and changed the stream of seeds or the kernels`);
    return error as Error;
  }
  setKernels(active); // which a good setKernels replaced
  const misshapen = matricesOf(result).find((m) => !hasShape(m));
  if (misshapen !== undefined) throw new Error(`${label} gave a ${misshapen.rows}×${misshapen.cols} matrix`);
  return undefined;
}

function replacedBy({ args, ...good }: GoodCall, { index, path }: Place, value: unknown): GoodCall {
  const copy = [...args];
  copy[index] = withValue(copy[index], path, value);
  return { ...good, args: copy };
}

function withValue(holder: unknown, [name, ...inner]: readonly string[], value: unknown): unknown {
  if (name === undefined) return value;
  const bag = typeof holder === 'object' && holder !== null ? (holder as Record<string, unknown>) : {};
  return { ...bag, [name]: withValue(bag[name], inner, value) };
}

function matricesOf(value: unknown): Matrix[] {
  if (value instanceof Matrix) return [value];
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return [];
  return Object.values(value).flatMap(matricesOf);
}

function hasShape({ rows, cols, data }: Matrix): boolean {
  return Number.isInteger(rows) && Number.isInteger(cols) && rows >= 0 && cols >= 0 && data.length === rows * cols;
}

export function text(value: unknown): string {
  const short = picture(value);
  return short.length > 80 ? `${short.slice(0, 80)}…` : short;
}
