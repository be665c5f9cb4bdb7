import { describe, expect, it } from 'vitest';
import { Heap } from '../../../../src/kernels/wasm/memory/heap.js';
import { fc } from '../../../support/property.js';

const fixed = (bytes: number) => new Heap(0, bytes, () => 0);

describe('Heap', () => {
  it('gives blocks that are aligned, inside, and never overlap; freed ones join to one again', () => {
    const step = fc.oneof(fc.record({ allocate: fc.integer({ min: 0, max: 5000 }) }), fc.record({ free: fc.nat(100) }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const heap = fixed(1 << 16);
        const live: { start: number; bytes: number }[] = [];
        for (const next of steps) {
          if ('free' in next) {
            const [block] = live.splice(next.free % Math.max(live.length, 1), 1);
            if (block !== undefined) heap.free(block.start);
            continue;
          }
          const start = heap.allocate(next.allocate);
          if (start === undefined) continue;
          const block = { start, bytes: next.allocate };
          expect(start % 64).toBe(0);
          expect(start + block.bytes).toBeLessThanOrEqual(1 << 16);
          for (const other of live) {
            expect(start + block.bytes <= other.start || other.start + other.bytes <= start).toBe(true);
          }
          live.push(block);
          // Each with 64 readable bytes behind it, to the next multiple of 64.
          expect(heap.liveBytes).toBe(live.reduce((sum, { bytes }) => sum + Math.ceil((bytes + 64) / 64) * 64, 0));
        }
        for (const { start } of live) heap.free(start);
        expect(heap.liveBytes).toBe(0);
        // All but the slack of one block: only a heap in one piece has that.
        expect(heap.allocate((1 << 16) - 64)).toBe(0);
      }),
    );
  });

  it('says undefined where there is no room, and stays usable', () => {
    const heap = fixed(1024);
    expect(heap.allocate(2000)).toBeUndefined();
    expect(heap.allocate(900)).toBe(0);
    expect(heap.allocate(1)).toBeUndefined();
    heap.free(0);
    expect(heap.allocate(900)).toBe(0);
  });

  it('asks for more room only what is missing at its end', () => {
    const asked: number[] = [];
    const heap = new Heap(0, 1024, (bytes) => {
      asked.push(bytes);
      return bytes;
    });
    heap.allocate(100); // takes 192 of 1024
    expect(heap.allocate(2000)).toBe(192); // 2000 and the slack of 64 take 2112; 832 are there
    expect(asked).toEqual([2112 - 832]);
  });

  it('ignores an address that is not live: nothing is freed twice', () => {
    const heap = fixed(4096);
    const a = heap.allocate(10);
    heap.free(a ?? -1);
    heap.free(a ?? -1);
    heap.free(7);
    expect(heap.liveBytes).toBe(0);
    expect(heap.allocate(10)).not.toBe(heap.allocate(10));
  });
});

it('takes a free block that fits to the byte, and nothing where growth gives less than was asked for', () => {
  let room = 0;
  const heap = new Heap(0, 1024, () => room);
  const [first, , last] = [1, 2, 3].map(() => heap.allocate(192)); // 256 each
  heap.allocate(192);
  heap.free(first as number);
  heap.free(last as number);
  expect(heap.allocate(192)).toBe(first);
  expect(heap.allocate(193)).toBeUndefined();
  room = 64;
  expect(heap.allocate(1000)).toBeUndefined();
  expect(heap.allocate(192)).toBe(last);
});
