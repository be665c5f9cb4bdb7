import type binaryen from 'binaryen';
import { entry, type FunctionBuilder } from './language/builder.js';
import { forRows, forTurns, type Row, sums } from './language/rows.js';
import type { Int, Vector } from './language/values.js';

/** Vectors of four partial sums each: an order that depends on cols alone, n/16 + 4 additions deep. */
const PARTS = 4;

/** Float at `at` + shift becomes normalized(x) · gain + bias over the row; gain and bias where their address is not 0. */
function writeRow(
  f: FunctionBuilder,
  row: Row,
  shift: Int,
  gain: Int,
  bias: Int | undefined,
  normalized: (x: Vector) => Vector,
): void {
  const { start } = row;
  const toGain = f.intVariable('toGain', gain.minus(start));
  const toBias = f.intVariable('toBias', bias?.minus(start));
  const write = (withGain: boolean, withBias: boolean) => {
    forTurns(f, row, 1, ({ load, store }) => {
      const scaled = withGain ? normalized(load()).times(load(toGain)) : normalized(load());
      store(withBias ? scaled.plus(load(toBias)) : scaled, shift);
    });
  };
  const withGain = (gained: boolean) => {
    if (bias)
      f.if(
        bias,
        () => write(gained, true),
        () => write(gained, false),
      );
    else write(gained, false);
  };
  f.if(
    gain,
    () => withGain(true),
    () => withGain(false),
  );
}

/**
 * Rows [from, to): out = (x − μ) / √(σ² + ε) · gain + bias; mean = μ and inverseStd = 1/√(σ² + ε), one a row. x and out
 * (rows × cols), gain and bias (1 × cols) or 0. Two passes, the second corrects the first (Chan, Golub and LeVeque 1983,
 * The American Statistician 37, 242–247): m the rounded mean, d = x − m, μ = m + Σd/n, σ² = Σd²/n − (Σd/n)². So the error
 * does not grow with μ/σ: with z the normalized x it is at most (n/16 + 12)·2^−24·(|z| + 1)·|gain| + 2^−24·|out|. Rows
 * whose squares or sums leave float32 (1/√… is then 0 or NaN, or above 2^50) are done again elsewhere: wasm/calls/normalization.ts.
 */
function layerNorm(m: binaryen.Module): void {
  const parameters = {
    x: 'int',
    out: 'int',
    gain: 'int',
    bias: 'int',
    mean: 'int',
    inverseStd: 'int',
    cols: 'int',
    epsilon: 'float',
  } as const;
  entry(m, 'layer_norm', parameters, (f, p) => {
    const count = f.floatVariable('count', p.cols.max(1).toFloat());
    const shift = f.intVariable('shift', p.out.minus(p.x));
    const d = f.vectorVariable('d');
    forRows(f, p, (row, r) => {
      const [total] = sums(f, row, PARTS, 1, ({ load }) => [load()]);
      const mean = f.floatVariable('mean', total.dividedBy(count));
      const means = f.vectorVariable('means', mean.splat());
      const [deviation, square] = sums(f, row, PARTS, 2, ({ load }) => {
        d.set(load().minus(means));
        return [d, d.times(d)];
      });
      deviation.set(deviation.dividedBy(count));
      square.set(square.dividedBy(count).minus(deviation.times(deviation)).max(0));
      const inverse = f.floatVariable('inverse', f.float(1).dividedBy(square.plus(p.epsilon).sqrt()));
      const deviations = f.vectorVariable('deviations', deviation.splat());
      const inverses = f.vectorVariable('inverses', inverse.splat());
      p.mean.plus(r.shl(2)).store(mean.plus(deviation));
      p.inverseStd.plus(r.shl(2)).store(inverse);
      writeRow(f, row, shift, p.gain, p.bias, (x) => x.minus(means).minus(deviations).times(inverses));
    });
  });
}

/**
 * Rows [from, to): out = x / √(mean(x²) + ε) · gain; inverseRms = 1/√(mean(x²) + ε), one a row. x and out (rows × cols),
 * gain (1 × cols) or 0. Relative error at most (cols/32 + 8)·2^−24. As to rows whose squares leave float32, see
 * layer_norm.
 */
function rmsNorm(m: binaryen.Module): void {
  const parameters = {
    x: 'int',
    out: 'int',
    gain: 'int',
    inverseRms: 'int',
    cols: 'int',
    epsilon: 'float',
  } as const;
  entry(m, 'rms_norm', parameters, (f, p) => {
    const count = f.floatVariable('count', p.cols.max(1).toFloat());
    const shift = f.intVariable('shift', p.out.minus(p.x));
    const d = f.vectorVariable('d');
    forRows(f, p, (row, r) => {
      const [square] = sums(f, row, PARTS, 1, ({ load }) => {
        d.set(load());
        return [d.times(d)];
      });
      const inverse = f.floatVariable('inverse', f.float(1).dividedBy(square.dividedBy(count).plus(p.epsilon).sqrt()));
      const inverses = f.vectorVariable('inverses', inverse.splat());
      p.inverseRms.plus(r.shl(2)).store(inverse);
      writeRow(f, row, shift, p.gain, undefined, (x) => x.times(inverses));
    });
  });
}

export function emitNormalization(m: binaryen.Module): void {
  layerNorm(m);
  rmsNorm(m);
}
