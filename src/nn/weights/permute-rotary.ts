import { requireChoice, requireInteger, requireOptions, shapeError } from '../../core/errors.js';
import { Matrix, requireMatrix } from '../../matrix/matrix.js';

/** Which columns of a head turn together: (2p, 2p + 1), or (p, p + dim/2). */
export type RotaryLayout = 'interleaved' | 'half-split';

export interface PermuteRotaryOptions {
  /** Heads are column blocks of W. */
  numHeads: number;
  from: RotaryLayout;
  to: RotaryLayout;
  /** Columns of each head that turn; the rest stays. Even. Default: the whole head. */
  dim?: number;
}

const OPTIONS: readonly (keyof PermuteRotaryOptions)[] = ['numHeads', 'from', 'to', 'dim'];
const LAYOUTS: readonly RotaryLayout[] = ['interleaved', 'half-split'];

/**
 * Weights of Q or K made for one layout of RoPE, for the other: the same scores come out. A copy, not recorded by
 * valueAndGrad. Meta's LLaMA weights are interleaved, Hugging Face's half-split.
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
  requireOptions(where, options, OPTIONS, 'required');
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
      const other = (c >> 1) + (c % 2) * (dim / 2); // where interleaved column c stands in halves
      const [source, target] = from === 'interleaved' ? [c, other] : [other, c];
      for (let r = 0; r < W.rows; r++) out.data[r * W.cols + h + target] = W.data[r * W.cols + h + source];
    }
  }
  return out;
}
