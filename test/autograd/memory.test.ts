import { describe, expect, it } from 'vitest';
import { customGradient } from '../../src/autograd/custom-gradient.js';
import { valueAndGrad } from '../../src/autograd/value-and-grad.js';
import { Matrix, wrap } from '../../src/matrix/matrix.js';
import { collectGarbage, countAlive } from '../support/garbage.js';

const x = Matrix.from([
  [1, 2, 3],
  [4, 5, 6],
]);

describe('memory', () => {
  const bytes = () => {
    collectGarbage();
    return process.memoryUsage().arrayBuffers;
  };

  it('is let go as the gradients are found: a long chain holds its values once, not its gradients too', () => {
    const [LENGTH, size] = [24, 2 ** 20]; // 24 matrices of 1 MiB
    const big = new Matrix(512, 512);
    const held: number[] = [];
    const probe = customGradient(
      (m: Matrix) => m,
      (dOut) => {
        held.push(bytes());
        return [dOut];
      },
    );
    const before = bytes();
    valueAndGrad(() => {
      let y = big;
      for (let i = 0; i < LENGTH; i++) y = (i % 4 === 0 ? probe(y) : y).exp();
      return y.sum();
    });
    // At probe p the outputs of 4·p operations and of p + 1 probes are still needed. With them a few gradients: what the probe
    // was given, its copy, what is being computed; and what is not collected yet.
    expect(held).toHaveLength(LENGTH / 4);
    held.forEach((now, at) => {
      const p = LENGTH / 4 - 1 - at;
      expect((now - before) / size, `at probe ${p}`).toBeLessThan(4 * p + p + 1 + 9);
    });
  });

  it('holds nothing of operations outside', async () => {
    const refs = Array.from(
      { length: 50 },
      () =>
        new WeakRef(
          x
            .scale(2)
            .softmax()
            .matmul(wrap(3, 1, x.data.slice(3))),
        ),
    );
    await new Promise((resolve) => setTimeout(resolve));
    collectGarbage();
    expect(countAlive(refs)).toBeLessThanOrEqual(2);
  });

  it('holds nothing after valueAndGrad but the gradients', async () => {
    const refs: WeakRef<object>[] = [];
    const { gradients } = valueAndGrad(() => {
      let y = x;
      for (let i = 0; i < 50; i++) {
        y = y.tanh();
        refs.push(new WeakRef(y));
      }
      return y.sum();
    });
    await new Promise((resolve) => setTimeout(resolve));
    collectGarbage();
    expect(countAlive(refs)).toBeLessThanOrEqual(2);
    expect(gradients.get(x)).toBeInstanceOf(Matrix);
  });
});
