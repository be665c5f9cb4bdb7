import { afterEach, describe, expect, it } from 'vitest';
import type { Floats } from '../../../../src/kernels/contract.js';
import * as reference from '../../../../src/kernels/reference/updates.js';
import type { UpdateKernels } from '../../../../src/kernels/updates.js';
import { euclideanNorm, updateAdam, updateSGD } from '../../../../src/kernels/wasm/calls/updates.js';
import { KernelMemory } from '../../../../src/kernels/wasm/memory/memory.js';
import { expectSame } from '../../../support/compare.js';
import { newRuntime } from '../../../support/kernels.js';

const runtime = newRuntime();

/** The reference, and how often it was asked. */
let left = 0;
const others: UpdateKernels = {
  updateSGD: (update) => {
    left++;
    reference.updateSGD(update);
  },
  updateAdam: (update) => {
    left++;
    reference.updateAdam(update);
  },
  euclideanNorm: (parts) => {
    left++;
    return reference.euclideanNorm(parts);
  },
};
afterEach(() => {
  left = 0;
});

/** Numbers of every size, zeros of both signs, denormals, the largest; not finite ones where asked. */
function numbers(length: number, seed: number, withBad = false): Float32Array {
  const special = [0, -0, 1e-45, -1e-45, 1.1754942e-38, 3.4028235e38, -3.4028235e38, 1e-20, 1e19];
  const bad = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  return Float32Array.from({ length }, (_, i) => {
    const value = Math.sin((i + 1) * (12.9898 + seed));
    if (withBad && i % 17 === seed % 17) return bad[i % 3];
    return i % 11 === seed % 11 ? special[i % special.length] : value * 10 ** ((i * seed) % 7) * 1e-3;
  });
}

type Where = 'resident' | 'ordinary' | 'moments ordinary';

interface Start {
  p: Float32Array;
  m: Float32Array;
  v: Float32Array;
}

function placed(start: Start, where: Where): Start {
  const of = (array: Float32Array, isResident: boolean) => {
    const copy = isResident ? runtime.memory.residentArray(array.length) : new Float32Array(array.length);
    copy.set(array);
    return copy;
  };
  const { p, m, v } = start;
  return { p: of(p, where !== 'ordinary'), m: of(m, where === 'resident'), v: of(v, where === 'resident') };
}

type Change = (
  kernels: Pick<UpdateKernels, 'updateSGD' | 'updateAdam'>,
  at: Start,
  gradient: Floats,
  step: number,
) => void;

const wasm = {
  updateSGD: (update: Parameters<UpdateKernels['updateSGD']>[0]) => updateSGD(runtime, update, others),
  updateAdam: (update: Parameters<UpdateKernels['updateAdam']>[0]) => updateAdam(runtime, update, others),
};

const sgd =
  (momentum: number, nesterov: boolean, weightDecay: number, rows?: Int32Array, cols = 1): Change =>
  (kernels, { p, m }, gradient) => {
    const buffer = momentum === 0 ? undefined : m;
    kernels.updateSGD({ p, buffer, gradient, rows, cols, learningRate: 0.1, momentum, nesterov, weightDecay });
  };
const adam =
  (added: number, kept: number, epsilon = 1e-8, rows?: Int32Array, cols = 1): Change =>
  (kernels, { p, m, v }, gradient, step) => {
    const [rate, rootCorrection] = [0.1 / (1 - 0.9 ** step), Math.sqrt(1 - 0.999 ** step)];
    const rule = { beta1: 0.9, beta2: 0.999, epsilon, rate, rootCorrection, added, kept };
    kernels.updateAdam({ p, m, v, gradient, rows, cols, ...rule });
  };

const RULES: [string, (rows?: Int32Array, cols?: number) => Change][] = [
  ['SGD', (rows, cols) => sgd(0, false, 0, rows, cols)],
  ['SGD with decay', (rows, cols) => sgd(0, false, 0.1, rows, cols)],
  ['SGD with momentum', (rows, cols) => sgd(0.9, false, 0, rows, cols)],
  ['SGD with nesterov and decay', (rows, cols) => sgd(0.9, true, 0.01, rows, cols)],
  ['Adam', (rows, cols) => adam(0, 1, 1e-8, rows, cols)],
  ['Adam with decay', (rows, cols) => adam(0.1, 1, 1e-8, rows, cols)],
  ['Adam without epsilon', (rows, cols) => adam(0, 1, 0, rows, cols)],
  ['AdamW', (rows, cols) => adam(0, 0.99, 1e-8, rows, cols)],
];

/** Both do the steps; every number of both is the same, the sign of zero included. */
function expectSteps(change: Change, length: number, steps: number, where: Where, gradients: (step: number) => Floats) {
  const start = { p: numbers(length, 1), m: numbers(length, 2), v: numbers(length, 3).map(Math.abs) };
  const [own, expected] = [placed(start, where), placed(start, 'ordinary')];
  for (let step = 1; step <= steps; step++) {
    change(wasm, own, gradients(step), step);
    change(reference, expected, gradients(step), step);
  }
  for (const name of ['p', 'm', 'v'] as const) expectSame(own[name], expected[name], `${name}, ${where}`);
}

describe.each(RULES)('%s has the bits of the reference', (_, ruleOf) => {
  it.each([256, 257, 258, 259, 260, 261, 1000, 4097])('one step of %i entries, wherever they lie', (length) => {
    for (const where of ['resident', 'ordinary', 'moments ordinary'] as const) {
      expectSteps(ruleOf(), length, 1, where, (step) => numbers(length, step + 3));
      expectSteps(ruleOf(), length, 1, where, (step) => numbers(length, step + 4, true));
    }
    expect(left).toBe(0);
  });

  it('50 steps', () => {
    expectSteps(ruleOf(), 300, 50, 'resident', (step) => numbers(300, step));
    expect(left).toBe(0);
  });

  it.each([
    [7, 64],
    [7, 65],
    [9, 67],
  ])('50 steps of rows of %i times %i', (tableRows, cols) => {
    const rows = Int32Array.of(0, 2, 3, 5, tableRows - 1);
    const gradients = (step: number) => numbers(rows.length * cols, step, step === 50);
    expectSteps(ruleOf(rows, cols), tableRows * cols, 50, 'resident', gradients);
    expect(left).toBe(0);
  });

  it('is left to it: few entries, rows of what is not resident, 64 bits', () => {
    expectSteps(ruleOf(), 255, 1, 'resident', (step) => numbers(255, step));
    expectSteps(ruleOf(), 0, 1, 'resident', (step) => numbers(0, step));
    expect(left).toBe(2);
    const rows = Int32Array.of(1, 2);
    for (const where of ['ordinary', 'moments ordinary'] as const) {
      expectSteps(ruleOf(rows, 200), 600, 1, where, (step) => numbers(400, step));
    }
    expect(left).toBeGreaterThanOrEqual(3); // plain SGD has no moments
    left = 0;
    expectSteps(ruleOf(), 300, 2, 'resident', (step) => Float64Array.from(numbers(300, step), (x) => x / 3));
    expect(left).toBe(2);
  });
});

it.each(RULES)(
  '%s: where the step takes all of a parameter, what is left shows its last bits in float64',
  (_, ruleOf) => {
    const [change, length] = [ruleOf(), 2000];
    const of = (seed: number) => Float32Array.from({ length }, (_, i) => 1.5 + Math.sin((i + 1) * (12.9898 + seed)));
    const start = () => ({ p: new Float32Array(length), m: of(1), v: new Float32Array(length) });
    const step = start();
    change(reference, step, of(3), 3);
    const [own, expected] = [start(), start()];
    for (const { p } of [own, expected]) p.set(step.p.map((x) => -x));
    change(wasm, own, of(3), 3);
    change(reference, expected, of(3), 3);
    for (const name of ['p', 'm', 'v'] as const) expectSame(own[name], expected[name], name);
  },
);

it('a full memory stops no update', () => {
  const memory = new KernelMemory(64);
  const p = memory.residentArray(500_000);
  memory.residentArray(((64 << 16) - memory.liveBytes - (600 << 10)) / 4);
  const gradient = new Float32Array(p.length).fill(1);
  expect(() => memory.copyIn(gradient)).toThrow(RangeError);
  const rule = { learningRate: 0.5, momentum: 0, nesterov: false, weightDecay: 0, cols: 1 };
  updateSGD(newRuntime(memory), { p, gradient, ...rule }, others);
  expect(left).toBe(1);
  expect(p.every((x) => x === -0.5)).toBe(true);
});

describe('the norm', () => {
  it('is that of the reference, but for the order of the sum', () => {
    for (const length of [256, 257, 4096, 4097, 10_000]) {
      const parts = [numbers(length, 5), numbers(3, 6), runtime.memory.residentArray(2000).fill(2), numbers(0, 1)];
      const [got, expected] = [euclideanNorm(runtime, parts, others), reference.euclideanNorm(parts)];
      // Sums of n squares in float64: n·2^−53 of themselves at most, half as much of the root.
      expect(Math.abs(got - expected)).toBeLessThanOrEqual(2 ** -53 * length * expected);
    }
    expect(left).toBe(0);
  });

  it('says what is not finite, and is 0 for zeros', () => {
    const { NaN: nan, POSITIVE_INFINITY: infinity, NEGATIVE_INFINITY: minus } = Number;
    const of = (...ends: number[]) => {
      const part = new Float32Array(5000);
      part.set(ends, part.length - ends.length);
      return euclideanNorm(runtime, [part, new Float32Array(300)], others);
    };
    expect([of(), of(-0), of(3, 4), of(minus), of(infinity), of(1e-45)]).toEqual([
      0,
      0,
      5,
      infinity,
      infinity,
      2 ** -149,
    ]);
    expect([of(nan), of(infinity, nan), of(nan, minus)]).toEqual([nan, nan, nan]);
    expect(of(3.4028235e38) / 3.4028234663852886e38).toBe(1);
    expect(left).toBe(0);
  });

  it('is left to the reference: few entries, 64 bits, nothing', () => {
    expect(euclideanNorm(runtime, [new Float32Array(10).fill(2), new Float32Array(500)], others)).toBe(Math.sqrt(40));
    expect(euclideanNorm(runtime, [new Float32Array(500), Float64Array.of(1e-200)], others)).toBe(1e-200);
    expect(left).toBe(2);
    expect(euclideanNorm(runtime, [], others)).toBe(0);
  });
});
