import { describe, expect, it } from 'vitest';
import { gemm } from '../../../../src/kernels/wasm/calls/products.js';
import { productsExports, productsModule } from '../../../../src/kernels/wasm/module/products.generated.js';
import { KC } from '../../../../src/kernels/wasm/summation.js';
import { expectSame } from '../../../support/compare.js';
import { namedEntries, newRuntime } from '../../../support/kernels.js';
import { fc } from '../../../support/property.js';

const runtime = newRuntime();
const exports = namedEntries(runtime, productsModule, productsExports);
const size = fc.integer({ min: 0, max: 70 });
const random = (length: number, seed: number) =>
  Float32Array.from({ length }, (_, i) => Math.fround(Math.sin(seed * 7919 + i * 12.9898) * 3));

/** γ_k·(|A||B|) with u = 2^-24: Higham 2002, Accuracy and Stability of Numerical Algorithms, eq. 3.11. */
function law(k: number, magnitude: number): number {
  const u = 2 ** -24;
  return ((k + 2) * u * magnitude) / (1 - k * u);
}

describe('gemm on WASM', () => {
  it('stays within γ_k·(|A||B|) of float64 at every size and transpose', () => {
    fc.assert(
      fc.property(size, size, size, fc.boolean(), fc.boolean(), (m, n, k, transposeA, transposeB) => {
        const [a, b] = [random(m * k, 1), random(k * n, 2)];
        const got = gemm(runtime, { m, n, k, a, b, transposeA, transposeB });
        for (let i = 0; i < m; i++) {
          for (let j = 0; j < n; j++) {
            let [sum, magnitude] = [0, 0];
            for (let p = 0; p < k; p++) {
              const term = a[transposeA ? p * m + i : i * k + p] * b[transposeB ? j * k + p : p * n + j];
              sum += term;
              magnitude += Math.abs(term);
            }
            const bound = law(k, magnitude) + 1e-37;
            expect(Math.abs(got[i * n + j] - sum) <= bound, `(${i}, ${j}) of ${m}×${n}×${k}`).toBe(true);
          }
        }
      }),
      { numRuns: 150 },
    );
  });

  it('reads nothing past its operands', () => {
    const poisoned = new Float32Array(400).fill(Number.NaN);
    const a = poisoned.subarray(3, 3 + 15);
    const b = poisoned.subarray(100, 100 + 35);
    a.set(random(15, 1));
    b.set(random(35, 2));
    expect([...gemm(runtime, { m: 3, n: 7, k: 5, a, b })].some(Number.isNaN)).toBe(false);
  });

  it('lets no NaN in from beside its operands, nor from what the arena held', () => {
    const { memory } = runtime;
    const sizes = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 20, 21, 31, 33, 63, 64, 65, 70];
    const room = memory.residentArray(3 * 80 * 80).fill(Number.NaN);
    const shape = fc.tuple(...Array.from({ length: 3 }, () => fc.constantFrom(...sizes)));
    fc.assert(
      fc.property(shape, fc.boolean(), fc.boolean(), ([m, n, k], transposeA, transposeB) => {
        const [a, b] = [random(m * k, 1), random(k * n, 2)];
        const clean = gemm(runtime, { m, n, k, a, b, transposeA, transposeB });
        room.fill(Number.NaN);
        const inRoom = (x: Float32Array, at: number) => {
          room.set(x, at);
          return room.subarray(at, at + x.length);
        };
        const operands = { a: inRoom(a, 11), b: inRoom(b, 80 * 80 + 21) };
        memory.enter();
        new Float32Array(memory.memory.buffer, memory.reserve(1 << 19), 1 << 17).fill(Number.NaN);
        const c = gemm(runtime, { m, n, k, ...operands, transposeA, transposeB });
        expect(c.some(Number.isNaN)).toBe(false);
        expectSame(c, clean);
      }),
      { numRuns: 150 },
    );
  });

  it('gives a row the same bits alone and among any number of others, from plain and resident operands', () => {
    const rows = 70; // past the packing of B, and one block of 64 rows of A
    for (const [n, k] of [
      [70, 300],
      [13, 5],
      [8, 256],
      [1, 600],
    ]) {
      const [a, b] = [random(rows * k, 4), random(k * n, 5)];
      const resident = runtime.memory.residentArray(k * n);
      resident.set(b);
      const whole = gemm(runtime, { m: rows, n, k, a, b });
      for (let m = 1; m <= rows; m++) {
        for (const operand of [b, resident]) {
          const last = gemm(runtime, { m, n, k, a: a.subarray((rows - m) * k), b: operand });
          expectSame(last, whole.subarray((rows - m) * n), `${m} rows, n = ${n}, k = ${k}`);
        }
      }
    }
  });

  it('sums every element with k ascending in blocks from 0, one multiplication and one addition a term', () => {
    const [m, n, k] = [33, 17, 530];
    const [a, b] = [random(m * k, 6), random(k * n, 7)];
    const expected = Float32Array.from({ length: m * n }, (_, at) => {
      let sum = 0;
      for (let first = 0; first < k; first += KC) {
        let block = 0;
        for (let p = first; p < Math.min(first + KC, k); p++) {
          block = Math.fround(block + Math.fround(a[Math.floor(at / n) * k + p] * b[p * n + (at % n)]));
        }
        sum = Math.fround(sum + block);
      }
      return sum;
    });
    expectSame(gemm(runtime, { m, n, k, a, b }), expected);
  });

  it('gives one result a hundred times over', () => {
    const problem = { m: 37, n: 29, k: 70, a: random(37 * 70, 8), b: random(70 * 29, 9) };
    const first = gemm(runtime, problem);
    for (let repeat = 0; repeat < 100; repeat++) expectSame(gemm(runtime, problem), first);
  });

  it('computes a range of rows as the whole does, and writes no other', () => {
    const { memory } = runtime;
    const [m, n, k] = [50, 21, 40];
    memory.enter();
    const [a, b] = [memory.copyIn(random(m * k, 1)), memory.copyIn(random(k * n, 2))];
    const [packed, c, scratch] = [24 * k * 4, m * n * 4, 128].map((bytes) => memory.reserve(bytes));
    exports.pack_rows(b, n * 4, packed, n, k, 0, 3);
    const entries = [
      ['gemm_rows_packed', packed, k],
      ['gemm_rows_rows', b, n * 4],
    ] as const;
    for (const [entry, operand, ldb] of entries) {
      const rows = (from: number, to: number): Float32Array => {
        untouched(c, m * n);
        exports[entry](a, k * 4, operand, ldb, c, n * 4, n, k, 0, from, to, scratch);
        return memory.copyOut(c, m * n);
      };
      const whole = rows(0, m);
      for (const [from, to] of ranges(m)) {
        const expected = whole.map((value, at) => (at >= from * n && at < to * n ? value : UNTOUCHED));
        expectSame(rows(from, to), expected, `${entry}, rows ${from} to ${to}`);
      }
    }
  });

  it.each([1, 2] as const)('gemv%i computes a range of columns as the whole does, and writes no other', (rows) => {
    const { memory } = runtime;
    const [n, k] = [37, 600]; // three blocks of k
    memory.enter();
    const [a, b] = [memory.copyIn(random(rows * k, 4)), memory.copyIn(random(k * n, 5))];
    const [c, scratch] = [memory.reserve(rows * n * 4), memory.reserve(rows * n * 4)];
    const columns = (from: number, to: number): Float32Array => {
      untouched(c, rows * n);
      untouched(scratch, rows * n);
      exports[`gemv${rows}`](a, k * 4, b, n * 4, c, n * 4, k, from, to, scratch);
      const used = rows * (to - from);
      expect(
        memory
          .copyOut(scratch, rows * n)
          .subarray(used)
          .every((x) => x === UNTOUCHED),
      ).toBe(true);
      return memory.copyOut(c, rows * n);
    };
    const whole = columns(0, n);
    for (const [from, to] of ranges(n)) {
      const expected = whole.map((value, at) => (at % n >= from && at % n < to ? value : UNTOUCHED));
      expectSame(columns(from, to), expected, `columns ${from} to ${to}`);
    }
  });

  it.each(['pack_rows', 'pack_columns'] as const)(
    '%s packs a range of panels as the whole does, and writes no other',
    (entry) => {
      const { memory } = runtime;
      const [n, k, block] = [61, 300, 256]; // 8 panels of 8 columns, the last of 5; two blocks of k
      memory.enter();
      const b = memory.copyIn(random(k * n, 3));
      const out = memory.reserve(64 * k * 4);
      const panels = (from: number, to: number): Float32Array => {
        untouched(out, 64 * k);
        exports[entry](b, (entry === 'pack_rows' ? n : k) * 4, out, n, k, from, to);
        return memory.copyOut(out, 64 * k);
      };
      const panelOf = (at: number) => {
        const second = at >= 64 * block;
        return Math.floor((second ? at - 64 * block : at) / (8 * (second ? k - block : block)));
      };
      const whole = panels(0, 8);
      for (const [from, to] of ranges(8)) {
        const expected = whole.map((value, at) => (panelOf(at) >= from && panelOf(at) < to ? value : UNTOUCHED));
        expectSame(panels(from, to), expected, `panels ${from} to ${to}`);
      }
    },
  );
});

/** No sum and no entry of the operands here. */
const UNTOUCHED = 12345;
const ranges = (n: number): [number, number][] => [
  [0, 1],
  [1, n - 1],
  [n - 3, n],
  [2, 2],
];

function untouched(address: number, length: number): void {
  new Float32Array(runtime.memory.memory.buffer, address, length).fill(UNTOUCHED);
}
