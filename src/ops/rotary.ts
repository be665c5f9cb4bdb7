import { requireArguments } from '../core/arguments.js';
import {
  requireArrayLike,
  requireBoolean,
  requireCount,
  requireFinite,
  requireInteger,
  shapeError,
} from '../core/errors.js';
import { ATTENTION_NAMES } from '../core/names-elsewhere.js';
import { type OptionsGuide, requireOptions } from '../core/options.js';
import { elementwise, rotations } from '../kernels/families.js';
import { table } from '../kernels/state.js';
import { type Matrix, requireMatrix, result } from '../matrix/matrix.js';
import { requireDivisible } from './attention/options.js';

/** What RoPE needs beside x; also `rope` of MultiHeadAttention. */
export interface RopeOptions {
  /** Base of the angles θ_p = position · base^(−2p/dim). Default 10000. */
  base?: number;
  /** Columns of each head that turn; the rest is copied. Even. Default: the whole head. */
  dim?: number;
  /** Turn pairs (2p, 2p + 1), as LLaMA's own weights do, instead of (p, p + dim/2), as Hugging Face's. Default false. */
  interleaved?: boolean;
}

export interface RotaryOptions extends RopeOptions {
  /** Heads are column blocks of x. */
  numHeads: number;
  /** The position of every row, fractions allowed. Default 0, 1, 2 … */
  positions?: ArrayLike<number>;
}

const ROPE_OPTIONS: readonly (keyof RopeOptions)[] = ['base', 'dim', 'interleaved'];

const GUIDE: OptionsGuide = { form: 'rotary(x, { numHeads: 8 })', elsewhere: [ATTENTION_NAMES] };

/**
 * Rotary position embedding: turns pairs of columns of every head by position · base^(−2p/dim). Angles are float64.
 *
 * @param x  (tokens × numHeads·headWidth)
 * @returns  (tokens × numHeads·headWidth)
 * @throws ShapeError  if the width is not divisible by numHeads, dim is odd or wider than a head, or positions differ in number
 * @see Su et al. 2021, https://arxiv.org/abs/2104.09864
 * @example const q = rotary(x.matmul(W_Q), { numHeads: 8, positions: [5, 6, 7] });
 */
export function rotary(x: Matrix, options: RotaryOptions): Matrix {
  const where = 'rotary';
  requireMatrix(where, 'x', x);
  requireOptions(where, options ?? {}, ['numHeads', 'positions', ...ROPE_OPTIONS], GUIDE);
  requireArguments(where, arguments.length, 2);
  const { numHeads, positions } = options ?? {};
  requireInteger(where, 'numHeads', numHeads, 1);
  requireCount(where, 'numHeads', numHeads);
  const headDim = requireDivisible(where, 'x', x, 'numHeads', numHeads);
  const { dim, base, interleaved } = checkRope(where, options, headDim);
  const angles = positions === undefined ? undefined : checkPositions(where, positions, x.rows);
  const half = dim / 2;
  const cos = table(x.rows * half);
  const sin = table(x.rows * half);
  for (let p = 0; p < half; p++) {
    const frequency = base ** ((-2 * p) / dim);
    for (let r = 0; r < x.rows; r++) {
      const angle = (angles === undefined ? r : angles[r]) * frequency;
      cos[r * half + p] = Math.cos(angle);
      sin[r * half + p] = Math.sin(angle);
    }
  }
  const { rotary: turn } = rotations();
  const { scale } = elementwise();
  const problem = { rows: x.rows, numHeads, headDim, dim, interleaved, cos };
  return result([x], {
    rows: x.rows,
    cols: x.cols,
    data: turn({ ...problem, x: x.data, sin }), // turns by θ; its backward turns by −θ
    backward: (dY) => [turn({ ...problem, x: dY, sin: scale(sin, -1) })],
  });
}

/** The options with their defaults, checked for heads of headDim columns; keys that are no RopeOptions are left to the caller. */
export function checkRope(where: string, options: RopeOptions, headDim: number): Required<RopeOptions> {
  const { base = 10000, dim = headDim, interleaved = false } = options;
  requireFinite(where, 'base', base);
  if (base <= 0) throw shapeError(where, 'base must be a finite number above 0', `got ${base}`);
  requireInteger(where, 'dim', dim, 0, headDim);
  requireBoolean(where, 'interleaved', interleaved);
  if (dim % 2 !== 0) throw shapeError(where, 'dim must be even', `got ${dim}`, 'give an even dim below the head width');
  return { base, dim, interleaved };
}

/** `rope: true | RopeOptions` of a module, checked and with its defaults; undefined where it is off. */
export function ropeOption(where: string, rope: unknown, headDim: number): Required<RopeOptions> | undefined {
  if (rope === undefined || rope === false) return undefined;
  if (rope === true) return checkRope(`${where}.rope`, {}, headDim);
  requireOptions(`${where}.rope`, rope, ROPE_OPTIONS, { elsewhere: [ATTENTION_NAMES] });
  return checkRope(`${where}.rope`, rope as RopeOptions, headDim);
}

export function checkPositions(where: string, positions: unknown, rows: number): ArrayLike<number> {
  requireArrayLike(where, 'positions', positions);
  if (positions.length !== rows) {
    throw shapeError(where, `positions must have one entry for each of the ${rows} rows`, `got ${positions.length}`);
  }
  for (let r = 0; r < rows; r++) requireFinite(where, `positions[${r}]`, positions[r]);
  return positions as ArrayLike<number>;
}
