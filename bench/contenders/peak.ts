import type { Prepared } from '../harness/contender.js';

// The most that 128-bit WASM SIMD can do here: a loop of multiplications and additions that touches no memory.
// Either instruction takes 3 or 4 cycles and two of each start in one, so 14 independent chains, with the constant as many
// registers as V8 has to give; the odd ones multiply while the even ones add. On a 3.65 GHz Zen 4 this reaches 55.5
// GFLOP/s, as the same loop in assembler does (55.7); with 12 chains, or all in step, it was 50 to 53.

const CHAINS = 14;
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

/** run(turns): f32, the sum of all lanes of all chains. Local 0 counts down, 1 … CHAINS are the chains, then comes ½. */
function moduleBytes(): Uint8Array<ArrayBuffer> {
  const half = CHAINS + 1;
  const chains = Array.from({ length: CHAINS }, (_, i) => i + 1);
  const get = (local: number) => [0x20, local];
  const set = (local: number) => [0x21, local];
  const mul = [SIMD, ...unsigned(0xe6)];
  const add = [SIMD, ...unsigned(0xe4)];
  const apply = (operation: readonly number[], x: number) => [...get(x), ...get(half), ...operation, ...set(x)];
  const step = [
    ...chains.flatMap((x) => apply(x % 2 === 1 ? mul : add, x)),
    ...chains.flatMap((x) => apply(x % 2 === 1 ? add : mul, x)),
  ];
  const lane = (i: number) => [...get(1), SIMD, 0x1f, i];
  const body = [
    ...[1, CHAINS + 1, V128], // locals
    ...chains.flatMap((x) => [...splat(x), ...set(x)]), // all different: equal chains could be computed once
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

/** What all lanes add up to: half the chains, x·½ + ½, converge to exactly 1, the others, (x + ½)·½, to ½. */
export const PEAK_RESULT = (LANES * CHAINS * (1 + 0.5)) / 2;

/** Operations of one turn: a multiplication and an addition a lane. */
const FLOP_PER_TURN = CHAINS * STEPS * LANES * 2;

/** The loop as a contender of about `flop` operations a call, never so few turns that the chains do not converge. */
export function preparePeak(flop: number): { prepared: Prepared; flop: number } {
  const turns = Math.max(32, Math.round(flop / FLOP_PER_TURN));
  const { run } = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes()), {}).exports;
  if (typeof run !== 'function') throw new TypeError('peak: the module must export run');
  return { prepared: { call: () => Float32Array.of(run(turns)) }, flop: turns * FLOP_PER_TURN };
}
