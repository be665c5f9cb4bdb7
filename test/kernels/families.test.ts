import { describe, expect, it } from 'vitest';
import { backwardKernels } from '../../src/kernels/backward.js';
import * as families from '../../src/kernels/families.js';
import { setKernels, withKernels } from '../../src/kernels/state.js';
import { TWINS } from '../support/twins.js';

describe.each(Object.entries(families))('the family %s', (_, family) => {
  it('has the same operations in every twin', () => {
    const names = TWINS.map(({ name }) => Object.keys(withKernels(name, () => family() as object)).sort());
    for (const own of names) expect(own).toEqual(names[0]);
  });

  it('is made once for every twin', () => {
    for (const { name } of TWINS) {
      const made = withKernels(name, family as () => object);
      expect(withKernels('reference', () => withKernels(name, family as () => object))).toBe(made);
    }
    setKernels('auto');
    expect(family()).toBe(withKernels('wasm-simd', family as () => object));
  });
});

/**
 * What WASM leaves to the specification, measured in docs/kernels.md; whatever else lost its own function would run plain
 * loops unseen.
 */
const LEFT = [
  ...[
    'transpose',
    'sliceColumns',
    'concat',
    'concatColumns',
    'gatherRows',
    'write',
    'argmax',
    'logSumExp',
    'power',
    'select',
    'muonDirection',
    'quinticFactor',
  ],
  ...['scoresBackward', 'weights', 'weightsBackward', 'timesValues', 'timesValuesBackward'],
  ...['gatherRowsBackward', 'scatterRows', 'sliceColumnsBackward', 'broadcast'],
  ...['shareOfMaximum', 'hasNaN', 'quietRows', 'withoutRows', 'quieted'],
];

it('every operation runs in WASM but those that are named', () => {
  const all = [...Object.values(families), backwardKernels] as (() => object)[];
  const left = all.flatMap((family) => {
    const plain = withKernels('reference', family) as Record<string, unknown>;
    const own = withKernels('wasm-simd', family) as Record<string, unknown>;
    return Object.keys(own).filter((name) => String(own[name]) === String(plain[name]));
  });
  expect(left.sort()).toEqual([...LEFT].sort());
  const gemm = (twin: 'reference' | 'javascript') => String(withKernels(twin, families.products).gemm);
  expect(gemm('javascript')).not.toBe(gemm('reference'));
});

it('computes in arrays of its own kind', () => {
  const third = { m: 1, n: 1, k: 1, a: Float64Array.of(1 / 3), b: Float64Array.of(1) };
  const product = () => families.products().gemm(third)[0];
  expect(withKernels('reference', product)).toBe(Math.fround(1 / 3));
  expect(withKernels('float64', product)).toBe(1 / 3);
});
