import { capabilities, Matrix, setKernels } from 'qkv';
import { afterAll, describe, expect, it } from 'vitest';
import { forEachTwin, TWINS } from './twins.js';

describe('forEachTwin', () => {
  const atStart = capabilities().kernels;
  const seen: string[] = [];
  forEachTwin((twin) => {
    it('runs on the kernels it names', () => {
      expect(capabilities().kernels).toBe(twin.name);
      seen.push(twin.name);
    });
    it('computes in the storage of that choice', () => {
      const third = new Matrix(1, 1, Float32Array.of(1)).divide(new Matrix(1, 1, Float32Array.of(3))).data[0];
      expect(third).toBe(twin.name === 'float64' ? 1 / 3 : Math.fround(1 / 3));
    });
    it('survives a test that leaves other kernels behind', () => {
      setKernels(twin.name === 'float64' ? 'reference' : 'float64');
    });
  });
  it('gives the kernels from before back', () => {
    expect(seen).toEqual(TWINS.map((twin) => twin.name));
    expect(capabilities().kernels).toBe(atStart);
  });
  afterAll(() => setKernels('auto'));
});
