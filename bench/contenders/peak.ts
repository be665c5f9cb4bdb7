import type { Prepared } from '../harness/contender.js';

// The most that 128-bit WASM SIMD can do here: a loop of multiplications and additions that touches no memory.
// 12 independent chains x ← x·½ + ½ (latency of both steps 6–7 cycles, 2 of each a cycle) and the constants fill 13 of
// the 16 registers. Every chain converges to exactly 1, which is what the result is checked by.

const CHAINS = 12;
const STEPS = 8; // of every chain in one turn of the loop
const LANES = 4;

const I32 = 0x7f;
const F32 = 0x7d;
const V128 = 0x7b;
const SIMD = 0xfd;

const section = (id: number, bytes: readonly number[]): number[] => [id, ...unsigned(bytes.length), ...bytes];

/** Unsigned LEB128. */
function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)];
}

/** v128.const of four times x. */
function splat(x: number): number[] {
  const bytes = new Uint8Array(new Float32Array([x, x, x, x]).buffer);
  return [SIMD, 0x0c, ...bytes];
}

/** run(turns): f32, the sum of all lanes of all chains. Local 0 counts, 1 … CHAINS are the chains, then ½. */
function moduleBytes(): Uint8Array<ArrayBuffer> {
  const half = CHAINS + 1;
  const chains = Array.from({ length: CHAINS }, (_, i) => i + 1);
  const get = (local: number) => [0x20, local];
  const set = (local: number) => [0x21, local];
  const mul = [SIMD, ...unsigned(0xe6)];
  const add = [SIMD, ...unsigned(0xe4)];
  const step = chains.flatMap((x) => [...get(x), ...get(half), ...mul, ...get(half), ...add, ...set(x)]);
  const lane = (i: number) => [...get(1), SIMD, 0x1f, i];
  const body = [
    ...[1, CHAINS + 1, V128], // locals
    ...chains.flatMap((x) => [...splat(x / CHAINS), ...set(x)]),
    ...[...splat(0.5), ...set(half)],
    ...[0x03, 0x40], // loop
    ...Array.from({ length: STEPS }, () => step).flat(),
    ...[...get(0), 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0], // while (--turns)
    0x0b,
    ...chains.slice(1).flatMap((x) => [...get(1), ...get(x), ...add, ...set(1)]),
    ...[...lane(0), ...lane(1), 0x92, ...lane(2), 0x92, ...lane(3), 0x92], // f32.add
    0x0b,
  ];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 1, I32, 1, F32]), // (i32) → f32
    ...section(3, [1, 0]),
    ...section(7, [1, 3, ...[...'run'].map((letter) => letter.charCodeAt(0)), 0, 0]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ]);
}

/** What every lane of every chain adds up to, once converged. */
export const PEAK_RESULT = CHAINS * LANES;

/** Operations of one turn: a multiplication and an addition a lane. */
export const FLOP_PER_TURN = CHAINS * STEPS * LANES * 2;

/** The loop as a contender of `flop` operations a call, at least 32 turns of it. */
export function preparePeak(flop: number): { prepared: Prepared; flop: number } {
  const turns = Math.max(32, Math.round(flop / FLOP_PER_TURN));
  const { run } = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes()), {}).exports;
  if (typeof run !== 'function') throw new TypeError('peak: the module must export run');
  return { prepared: { call: () => Float32Array.of(run(turns)) }, flop: turns * FLOP_PER_TURN };
}
