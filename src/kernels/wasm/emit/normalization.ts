import type binaryen from 'binaryen';
import { define, type FloatVariable, type FunctionBuilder, type Int, type IntVariable, range, type Vector, type VectorVariable } from './builder.js';
import { horizontalSum } from './exp.js';
import { forFloats } from './map.js';

// Sums run in WIDTH vectors of four partial sums, in an order that depends on cols alone.
const WIDTH = 4;

/** Sets `sum` to the horizontal sum over the floats [from, end) of term(x), four partial sums a vector. */
function sumOver(
  f: FunctionBuilder,
  at: IntVariable,
  from: Int,
  end: Int,
  parts: readonly VectorVariable[],
  sum: FloatVariable,
  term: (x: Vector) => Vector,
): void {
  for (const part of parts) part.set(f.constant(0));
  const vectors = (offset: number, i: number) => parts[i].set(parts[i].plus(term(at.vector(offset))));
  const onlyLane0 = f.lanes(-1, 0, 0, 0);
  forFloats(f, at, from, end, parts.length, vectors, () => {
    parts[0].set(parts[0].plus(term(at.splatAt()).and(onlyLane0)));
  });
  sum.set(horizontalSum(f, parts.reduce((a: Vector, b) => a.plus(b))));
}

/** The floats from `at` on in vectors and then singly; `gain` and `bias` are walked along with `at`, 0 = absent. */
function writeRow(
  f: FunctionBuilder,
  row: { at: IntVariable; from: Int; end: Int; shift: Int; gain: Int; bias?: Int },
  normalized: (x: Vector) => Vector,
): void {
  const { at, from, end, shift } = row;
  const gainShift = f.intVariable('gainShift', row.gain.minus(from));
  const biasShift = f.intVariable('biasShift', row.bias?.minus(from));
  const write = (withGain: boolean, withBias: boolean) => {
    const value = (x: Vector, parameter: (address: Int) => Vector) => {
      const scaled = withGain ? normalized(x).times(parameter(at.plus(gainShift))) : normalized(x);
      return withBias ? scaled.plus(parameter(at.plus(biasShift))) : scaled;
    };
    const vectors = (offset: number) => {
      at.plus(shift).store(value(at.vector(offset), (address) => address.vector(offset)), offset);
    };
    forFloats(f, at, from, end, 2, vectors, () => {
      at.plus(shift).store(value(at.splatAt(), (address) => address.splatAt()).lane(0));
    });
  };
  const { bias } = row;
  const withBias = (gain: boolean) => {
    if (bias) f.if(bias, () => write(gain, true), () => write(gain, false));
    else write(gain, false);
  };
  f.if(row.gain, () => withBias(true), () => withBias(false));
}

/**
 * Rows [from, to): out = (x − μ) / √(σ² + ε) · gain + bias; mean = μ, inverseStd = 1/√(σ² + ε), one a row. x and out
 * (rows × cols), gain and bias (1 × cols) or 0. Two passes, the second corrects the first (Chan, Golub and LeVeque 1983,
 * The American Statistician 37): with m the rounded mean, d = x − m, μ = m + Σd/n, σ² = Σd²/n − (Σd/n)².
 */
function layerNorm(m: binaryen.Module): void {
  const parameters = {
    x: 'int', out: 'int', gain: 'int', bias: 'int', mean: 'int', inverseStd: 'int', cols: 'int', epsilon: 'float',
    from: 'int', to: 'int',
  } as const;
  define(
    m,
    'layer_norm',
    parameters,
    (f, p) => {
      const [at, start, end, r] = ['at', 'start', 'end', 'r'].map((name) => f.intVariable(name));
      const stride = f.intVariable('stride', p.cols.shl(2));
      const shift = f.intVariable('shift', p.out.minus(p.x));
      const count = f.floatVariable('count', p.cols.max(1).toFloat());
      const parts = range(WIDTH).map((i) => f.vectorVariable(`part${i}`));
      const [mean, correction, square, inverse] = ['mean', 'correction', 'square', 'inverse'].map((name) => f.floatVariable(name));
      const [means, corrections, inverses, d] = ['means', 'corrections', 'inverses', 'd'].map((name) => f.vectorVariable(name));
      f.for(r, p.from, p.to, 1, () => {
        start.set(p.x.plus(r.times(stride)));
        end.set(start.plus(stride));
        sumOver(f, at, start, end, parts, mean, (x) => x);
        mean.set(mean.dividedBy(count));
        means.set(mean.splat());
        const deviations = parts.map(() => f.vectorVariable('deviation', f.constant(0)));
        sumOver(f, at, start, end, parts, square, (x) => {
          d.set(x.minus(means));
          return d.times(d);
        });
        sumOver(f, at, start, end, deviations, correction, (x) => x.minus(means));
        correction.set(correction.dividedBy(count));
        corrections.set(correction.splat());
        square.set(square.dividedBy(count).minus(correction.times(correction)));
        inverse.set(f.float(1).dividedBy(square.plus(p.epsilon).sqrt()));
        inverses.set(inverse.splat());
        p.mean.plus(r.shl(2)).store(mean.plus(correction));
        p.inverseStd.plus(r.shl(2)).store(inverse);
        const row = { at, from: start, end, shift, gain: p.gain, bias: p.bias };
        writeRow(f, row, (x) => x.minus(means).minus(corrections).times(inverses));
      });
    },
    true,
  );
}
