import { capabilities, type KernelChoice, setKernels } from 'qkv';
import { afterEach, beforeEach, describe } from 'vitest';

/** One choice of kernels that every test runs on. */
export interface Twin {
  readonly name: Exclude<KernelChoice, 'auto'>;
  /**
   * Limit of |got − expected| / (1 + |expected|) against values computed in float64: float32 rounds to 6e-8, and the
   * sums of the small cases (up to 100 terms of size 1) lose at most two digits; float64 has 1e-16 and as much room.
   */
  readonly tolerance: number;
}

export const TWINS: readonly Twin[] = [
  { name: 'reference', tolerance: 1e-5 },
  { name: 'float64', tolerance: 1e-9 },
  { name: 'javascript', tolerance: 1e-5 },
  { name: 'wasm-simd', tolerance: 1e-5 },
];

/** Declares the tests of `body` once for every twin; each runs with its kernels, after which the earlier ones are back. */
export function forEachTwin(body: (twin: Twin) => void): void {
  for (const twin of TWINS) {
    describe(`${twin.name} kernels`, () => {
      let before: KernelChoice = 'auto';
      beforeEach(() => {
        before = capabilities().kernels;
        setKernels(twin.name);
      });
      afterEach(() => setKernels(before));
      body(twin);
    });
  }
}
