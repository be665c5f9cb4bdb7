import { describe, expect, it } from 'vitest';
import { customGradient } from '../../src/autograd/custom-gradient.js';
import { noGrad, valueAndGrad } from '../../src/autograd/value-and-grad.js';
import { table } from '../../src/kernels/state.js';
import { Matrix } from '../../src/matrix/matrix.js';
import { Parameter } from '../../src/matrix/parameter.js';
import { isRecording } from '../../src/matrix/tape.js';
import { gatherRows } from '../../src/ops/embedding.js';
import { expectClose, expectSame } from '../support/compare.js';
import { gradientOf } from '../support/gradient-of.js';
import { forEachTwin } from '../support/twins.js';

const x = Matrix.from([
  [1, 2, 3],
  [4, 5, 6],
]);
const one = Matrix.from([[2]]);

forEachTwin(({ tolerance }) => {
  describe('valueAndGrad', () => {
    it('gives the loss and the gradients of what went in, in arrays of the kernels', () => {
      const w = new Parameter(3, 1, Float32Array.of(1, -1, 2));
      const { value, gradients } = valueAndGrad(() => x.matmul(w).sum());
      expect(value).toBe(5 + 11);
      expect((gradients.get(w) as Matrix).toArray()).toEqual([[5], [7], [9]]);
      expect((gradients.get(x) as Matrix).toArray()).toEqual([
        [1, -1, 2],
        [1, -1, 2],
      ]);
      expect((gradients.get(w) as Matrix).data.constructor).toBe(table(0).constructor);
    });

    it('keeps those of computed matrices in `of`, which f may fill', () => {
      const of: Matrix[] = [];
      let [middle, other] = [x, x];
      const f = () => {
        middle = x.scale(3);
        other = x.scale(4);
        of.push(middle);
        return middle.multiply(other).sum();
      };
      const { gradients } = valueAndGrad(f, { of });
      expectClose((gradients.get(middle) as Matrix).data, x.scale(4).data, tolerance);
      expectClose((gradients.get(x) as Matrix).data, x.scale(24).data, tolerance);
      expect(gradients.get(other)).toBeUndefined();
    });

    it('gives only those of `wrt` and `of`, to the bit those of all', () => {
      const [w, frozen] = [3, 4].map((seed) => Matrix.randomNormal(3, 3, { seed }));
      const of: Matrix[] = [];
      const wrt: Matrix[] = [one]; // which is not used
      const f = () => {
        const h = x.matmul(frozen).add(x.matmul(w)).tanh();
        of.splice(0, 1, h);
        wrt.splice(1, 1, w); // f may fill both
        return h
          .multiply(h)
          .divide(Matrix.from([[3, 4, 5]]))
          .subtract(h)
          .sum();
      };
      const all = valueAndGrad(f, { of });
      const { gradients } = valueAndGrad(f, { wrt });
      expect([...gradients.entries()]).toEqual([[w, all.gradients.get(w)]]);
      const two = valueAndGrad(f, { wrt, of });
      expect(two.value).toBe(all.value);
      expect([...two.gradients.entries()].map(([m]) => m)).toEqual([of[0], w]);
      expect(valueAndGrad(f, { wrt: [] }).gradients.entries().next().done).toBe(true);
      expect([...valueAndGrad(f, { wrt: [x, frozen] }).gradients.entries()].map(([m]) => m)).toEqual([x, frozen]);
    });

    it('gives undefined for what was not used, and for what the loss does not depend on', () => {
      const { value, gradients } = valueAndGrad(() => {
        x.exp();
        return one.scale(3);
      });
      expect(value).toBe(6);
      expect(gradients.get(x)).toBeUndefined();
      expect((gradients.get(one) as Matrix).toArray()).toEqual([[3]]);
      expect([...gradients.entries()]).toHaveLength(1);
    });

    it('takes a loss that f did not compute: its gradient is 1', () => {
      const { value, gradients } = valueAndGrad(() => one);
      expect(value).toBe(2);
      expect([...gradients.entries()].map(([m, g]) => [m, (g as Matrix).toArray()])).toEqual([[one, [[1]]]]);
    });

    it('adds x to itself, multiplies it by itself, and takes it as every argument', () => {
      expect(gradientOf(() => x.add(x).sum(), x)).toEqual(new Array(6).fill(2));
      expect(gradientOf(() => x.subtract(x).sum(), x)).toEqual(new Array(6).fill(0));
      expect(gradientOf(() => x.multiply(x).sum(), x)).toEqual([2, 4, 6, 8, 10, 12]);
      expect(gradientOf(() => Matrix.concatRows([x, x, x]).sum(), x)).toEqual(new Array(6).fill(3));
      expect(gradientOf(() => one.add(one).add(one), one)).toEqual([3]);
    });

    it('sums 1000 uses of one value', () => {
      const f = () => {
        let total = one.scale(0);
        for (let i = 0; i < 1000; i++) total = total.add(one.scale(i % 3));
        return total;
      };
      expect(gradientOf(f, one)).toEqual([999]);
    });

    it('gives gradients that share no memory with one another or with any matrix', () => {
      const [a, b, g] = [x.clone(), x.clone(), Matrix.from([[1, 1, 1]])];
      const of: Matrix[] = [];
      const f = () => {
        const sum = a.add(b); // one array goes to both, and is that of the sum
        const copy = sum.clone();
        const part = copy.add(g).sliceRows(0, 1);
        of.push(sum, copy, part);
        return part.multiply(part).sum().add(one); // ∂/∂one is the gradient of the loss
      };
      const { gradients } = valueAndGrad(f, { of });
      const found = [...gradients.entries()];
      expect(found).toHaveLength(7);
      const arrays = [...found.map(([, m]) => m as Matrix), ...found.map(([m]) => m)].map((m) => m.data);
      expect(new Set(arrays.map(({ buffer }) => buffer)).size).toBe(arrays.length);
      const before = found.map(([, m]) => (m as Matrix).toArray());
      found.forEach(([, m], i) => {
        (m as Matrix).data.fill(Number.NaN);
        found.forEach(([, other], j) => j > i && expect((other as Matrix).toArray()).toEqual(before[j]));
      });
      expectSame(a.data, x.data);
    });

    it('leaves what it read as it was', () => {
      const w = new Parameter(3, 2, x.data);
      valueAndGrad(() => x.matmul(w).softmax().add(x.matmul(w)).tanh().mean());
      expect([...w.data, ...x.data]).toEqual([1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6]);
    });

    it('differentiates 100 000 operations in a row', () => {
      const f = () => {
        let y = one;
        for (let i = 0; i < 100_000; i++) y = y.scale(i === 9 ? 3 : 1);
        return y;
      };
      expect(gradientOf(f, one)).toEqual([3]);
    });

    it('gives rows for a table that was only read, a Matrix for one that was used otherwise too', () => {
      const table = Matrix.randomNormal(6, 2, { seed: 1 });
      const read = (ids: number[]) => gatherRows('test', table, ids).sum();
      const sparse = valueAndGrad(() => read([5, 1, 5])).gradients.get(table);
      expect(sparse).toEqual({ rows: Int32Array.of(1, 5), values: expect.any(Matrix) });
      expect((sparse as { values: Matrix }).values.toArray()).toEqual([
        [1, 1],
        [2, 2],
      ]);
      const both = valueAndGrad(() =>
        read([4, 1])
          .scale(3)
          .add(read([5, 1])),
      ).gradients.get(table);
      expect(both).toEqual({ rows: Int32Array.of(1, 4, 5), values: expect.any(Matrix) });
      expect([...(both as { values: Matrix }).values.data]).toEqual([4, 4, 3, 3, 1, 1]);
      for (const f of [() => read([2]).add(table.sum()), () => table.sum().add(read([2]))]) {
        expect(gradientOf(f, table)).toEqual([1, 1, 1, 1, 2, 2, 1, 1, 1, 1, 1, 1]);
      }
      let computed = table;
      const through = () => {
        computed = table.scale(2);
        return gatherRows('test', computed, [3, 3]).sum();
      };
      expect(gradientOf(through, table)).toEqual([0, 0, 0, 0, 0, 0, 4, 4, 0, 0, 0, 0]);
      expect(valueAndGrad(() => read([])).gradients.get(table)).toEqual({
        rows: new Int32Array(0),
        values: expect.objectContaining({ rows: 0, cols: 2 }),
      });
    });

    it('goes on where a gradient is empty', () => {
      const none = new Matrix(0, 3);
      expect(gradientOf(() => none.add(Matrix.from([[1, 2, 3]])).sum(), none)).toEqual([]);
      const row = Matrix.from([[1, 2, 3]]);
      expect(gradientOf(() => none.multiply(row).sum(), row)).toEqual([0, 0, 0]);
    });
  });

  describe('noGrad', () => {
    it('gives what f gives, as a constant', () => {
      expect(noGrad(() => 'anything')).toBe('anything');
      let constant = x;
      const { gradients } = valueAndGrad(() => {
        constant = noGrad(() => x.scale(5));
        return constant.multiply(x).sum();
      });
      expect((gradients.get(x) as Matrix).toArray()).toEqual(x.scale(5).toArray());
      expect((gradients.get(constant) as Matrix).toArray()).toEqual(x.toArray());
    });

    it('records again afterwards, after an error too', () => {
      const f = () => {
        expect(() =>
          noGrad(() => {
            throw new Error('no');
          }),
        ).toThrow('no');
        expect(isRecording()).toBe(true);
        return x.scale(2).sum();
      };
      expect(gradientOf(f, x)).toEqual(new Array(6).fill(2));
      expect(isRecording()).toBe(false);
    });

    it('may hold a valueAndGrad of its own, inside another', () => {
      const f = () => {
        const inner = noGrad(() => valueAndGrad(() => x.multiply(x).sum()));
        return x.multiply(inner.gradients.get(x) as Matrix).sum(); // Σ x·2x with a constant 2x
      };
      expect(gradientOf(f, x)).toEqual([2, 4, 6, 8, 10, 12]);
    });
  });
});

describe('what cannot be differentiated', () => {
  it('a loss that is not 1×1, or no Matrix', () => {
    expect(() => valueAndGrad(() => x)).toThrow('valueAndGrad: the loss must be 1×1: f gave 2×3');
    expect(() => valueAndGrad(() => 3 as never)).toThrow('valueAndGrad: the result of f must be a Matrix: got 3');
    expect(isRecording()).toBe(false);
  });

  it('valueAndGrad in valueAndGrad: both stop, and the next one works', () => {
    const inner = () => valueAndGrad(() => x.sum());
    expect(() => valueAndGrad(() => one.scale(inner().value))).toThrow(
      'valueAndGrad: f must not call valueAndGrad itself: another one is running',
    );
    expect(isRecording()).toBe(false);
    expect(inner().value).toBe(21);
  });

  it('an asynchronous f: what it does after its first await is not recorded, and its rejection is no one else’s', async () => {
    let after: boolean | undefined;
    const f = async () => {
      await null;
      after = isRecording();
      throw new Error('late');
    };
    for (const run of [() => valueAndGrad(f as never), () => noGrad(f)]) {
      expect(run).toThrow('f must not be asynchronous: it gave a Promise (await before the call, or after it)');
      expect(isRecording()).toBe(false);
    }
    await new Promise((resolve) => setTimeout(resolve));
    expect(after).toBe(false);
    const custom = customGradient((async () => x) as never, () => []);
    expect(() => custom()).toThrow('customGradient: forward must not be asynchronous');
  });

  it('an error in f or in a backward: it comes through, and nothing records any more', () => {
    const fail = (): never => {
      throw new Error('mine');
    };
    expect(() => valueAndGrad(() => x.add(fail()))).toThrow('mine');
    expect(isRecording()).toBe(false);
    const custom = customGradient((a: Matrix) => a.sum(), fail);
    expect(() => valueAndGrad(() => custom(x))).toThrow('mine');
    expect(isRecording()).toBe(false);
    expect(gradientOf(() => x.sum(), x)).toEqual(new Array(6).fill(1));
  });

  it('a list of matrices to keep that is none: f does not run', () => {
    let runs = 0;
    const f = () => {
      runs++;
      return one.scale(1);
    };
    expect(() => valueAndGrad(f, { of: x as never })).toThrow('valueAndGrad: of must be an array: got a 2×3 Matrix');
    expect(() => valueAndGrad(f, { of: [x, 3 as never] })).toThrow('valueAndGrad: of[1] must be a Matrix: got 3');
    expect(runs).toBe(0);
    const of: Matrix[] = [];
    const filling = () => one.scale(of.push(3 as never));
    expect(() => valueAndGrad(filling, { of })).toThrow('of[0] must be a Matrix: got 3');
  });
});
