import { requireArguments } from '../../core/arguments.js';
import { requireChoice, requireInteger, shapeError } from '../../core/errors.js';
import { requireOptions } from '../../core/options.js';
import { Matrix, requireMatrix } from '../../matrix/matrix.js';

/** Which columns of a head are rotated as a pair: (2p, 2p + 1) if interleaved, (p, p + dim/2) if half-split. */
export type RotaryLayout = 'interleaved' | 'half-split';

export interface PermuteRotaryOptions {
  /** Number of heads, the column blocks of W. */
  numHeads: number;
  /** The layout of W. */
  from: RotaryLayout;
  /** The layout of the result. */
  to: RotaryLayout;
  /** Rotated columns of each head, an even number; the columns after them stay. Default: the whole head. */
  dim?: number;
}

const OPTIONS: readonly (keyof PermuteRotaryOptions)[] = ['numHeads', 'from', 'to', 'dim'];
const LAYOUTS: readonly RotaryLayout[] = ['interleaved', 'half-split'];

/**
 * Permutes the columns of the weights of Q or K from one layout of RoPE to the other, in which they then give the same
 * scores. The result is a copy and not recorded by valueAndGrad. Meta's LLaMA weights are interleaved, Hugging Face's
 * half-split.
 *
 * @param W  (inputs × numHeads·dK): W_Q, W_K, or a bias (1 × numHeads·dK)
 * @returns  the same shape
 * @throws ShapeError  if the columns are not divisible by numHeads, or dim is odd or wider than a head; TypeError for
 *   wrong kinds and unknown options
 * @see Su et al. 2021, https://arxiv.org/abs/2104.09864
 * @example const W = permuteRotary(W_Q, { numHeads: 8, from: 'interleaved', to: 'half-split' });
 */
export function permuteRotary(W: Matrix, options: PermuteRotaryOptions): Matrix {
  const where = 'permuteRotary';
  requireMatrix(where, 'W', W);
  requireOptions(where, options, OPTIONS, { isRequired: true });
  requireArguments(where, arguments.length, 2);
  const { numHeads, from, to } = options;
  requireInteger(where, 'numHeads', numHeads, 1);
  if (W.cols % numHeads !== 0) {
    throw shapeError(where, 'columns of W must be divisible by numHeads', `${W.cols} is not divisible by ${numHeads}`);
  }
  const width = W.cols / numHeads;
  const { dim = width } = options;
  requireInteger(where, 'dim', dim, 0, width);
  if (dim % 2 !== 0) throw shapeError(where, 'dim must be even', `got ${dim}`);
  requireChoice(where, 'from', from, LAYOUTS);
  requireChoice(where, 'to', to, LAYOUTS);
  const out = new Matrix(W.rows, W.cols, Float32Array.from(W.data));
  if (from === to) return out;
  for (let h = 0; h < W.cols; h += width) {
    for (let c = 0; c < dim; c++) {
      const halfSplit = (c >> 1) + (c % 2) * (dim / 2); // where the interleaved column c is in the half-split layout
      const [source, target] = from === 'interleaved' ? [c, halfSplit] : [halfSplit, c];
      for (let r = 0; r < W.rows; r++) out.data[r * W.cols + h + target] = W.data[r * W.cols + h + source];
    }
  }
  return out;
}
