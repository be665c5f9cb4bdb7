import { describe, expect, test } from 'vitest';
import {
  cuSeqlensFromLengths,
  Matrix,
  MultiHeadAttention,
  type MultiHeadAttentionForwardOptions,
  type MultiHeadAttentionOptions,
} from '../../../src/index.js';
import {
  type PlainOptions,
  plainAffine,
  plainAttention,
  plainRotary,
  rowsOf,
  stack,
  table,
} from '../../calls/plain.js';
import { expectClose, expectSame, expectTable } from '../../support/compare.js';
import { differences, expectGradients } from '../../support/differences.js';
import type { Table } from '../../support/tensor.js';
import { forEachTwin } from '../../support/twins.js';

// Extra keys (addBiasKeyValue, addZeroAttention) against plain loops in float64: every query sees them, whatever else it
// sees, and they have no position.

const normal = (rows: number, cols: number, seed: number) => Matrix.randomNormal(rows, cols, { seed });
const open = Number.POSITIVE_INFINITY;
const D_MODEL = 8;

interface Config {
  layer: MultiHeadAttentionOptions;
  /** Queries and keys of every sequence. */
  lengths: readonly (readonly [number, number])[];
  mask?: 'shared' | 'per head';
  keyMask?: boolean;
  bias?: 'shared' | 'per head';
}

/** One of each list for every index, so that all pairs of neighbors meet; the strides have no common divisor. */
function configs(count: number): Config[] {
  const pick = <T>(list: readonly T[], i: number): T => list[i % list.length];
  return Array.from({ length: count }, (_, i) => {
    const [numHeads, numKvHeads] = pick(
      [
        [1, 1],
        [2, 2],
        [4, 2],
        [2, 1],
      ] as const,
      Math.floor(i / 3),
    );
    return {
      layer: {
        ...{ dModel: D_MODEL, numHeads, numKvHeads, dK: 2, dV: 3, seed: i, bias: i % 2 === 0 },
        causal: pick([false, true, 'top-left'] as const, Math.floor(i / 2)),
        window: pick([undefined, 1, [2, 0], [0, 3], 0, [open, 1], [1, open]] as const, i),
        alibi: pick([undefined, true, Float32Array.from({ length: numHeads }, (_, h) => 0.5 - h)], Math.floor(i / 7)),
        softcap: pick([undefined, undefined, 1.5], Math.floor(i / 4)),
        sinks: i % 11 === 3,
        rope: i % 5 === 1,
        addBiasKeyValue: i % 3 !== 1,
        addZeroAttention: i % 3 !== 0,
      },
      lengths: pick(
        [
          [[5, 2]],
          [[2, 5]],
          [[4, 4]],
          [[3, 0]],
          [[1, 3]],
          [[6, 1]],
          [
            [4, 1],
            [2, 3],
            [0, 2],
            [3, 0],
          ],
          [
            [1, 4],
            [5, 2],
          ],
        ] as const,
        Math.floor(i / 5),
      ),
      mask: pick([undefined, 'shared', undefined, 'per head'] as const, Math.floor(i / 13)),
      keyMask: i % 4 === 1,
      bias: pick([undefined, 'per head', 'shared'] as const, Math.floor(i / 17)),
    };
  });
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, n) => total + n, 0);
const offsetsOf = (lengths: readonly number[]) => Array.from(cuSeqlensFromLengths(lengths));

/** The layer with parameters that show, x, its context and the options of a call. */
function build({ layer: options, lengths, mask, keyMask, bias }: Config) {
  const layer = new MultiHeadAttention(options).eval();
  layer.parameters().forEach((p, i) => {
    if (p.rows === 1) p.data.set(normal(1, p.cols, 20 + i).data);
  });
  const { numHeads } = layer.heads;
  const [queries, keys] = [0, 1].map((side) => offsetsOf(lengths.map((pair) => pair[side])));
  const [lq, lk] = [queries[lengths.length], keys[lengths.length]];
  const columns = Math.max(...lengths.map(([, k]) => k));
  const masked = (which: 'shared' | 'per head') => (which === 'shared' ? 1 : numHeads) * lq;
  const call: MultiHeadAttentionForwardOptions = {
    mask: mask && Uint8Array.from({ length: masked(mask) * columns }, (_, i) => Number(i % 3 !== 1)),
    keyMask: keyMask ? Uint8Array.from({ length: lk }, (_, i) => Number(i % 3 !== 0)) : undefined,
    bias: bias && normal(masked(bias), columns, 7),
    ...(lengths.length > 1 ? { cuSeqlens: queries, cuSeqlensK: keys } : {}),
  };
  call.bias?.data.forEach((_, i, data) => {
    if (i % 5 === 2) data[i] = Number.NEGATIVE_INFINITY;
  });
  return { layer, x: normal(lq, D_MODEL, 1), context: normal(lk, D_MODEL, 2), call, queries, keys, columns };
}

/** Slopes of ALiBi. */
function slopesOf(alibi: MultiHeadAttentionOptions['alibi'], numHeads: number): ArrayLike<number> | undefined {
  if (alibi === undefined || alibi === false) return undefined;
  return alibi === true ? Array.from({ length: numHeads }, (_, h) => 2 ** ((-8 * (h + 1)) / numHeads)) : alibi;
}

function reachOf({ causal, window }: MultiHeadAttentionOptions): [number, number] {
  if (window === undefined) return [open, causal ? 0 : open];
  const [left, right] = typeof window === 'number' ? [window, window] : window;
  return [left, causal ? 0 : right];
}

/** Output and weights (extra keys last) by plain loops, for every sequence and head. */
function plain(config: Config, { layer, x, context, call, queries, keys, columns }: ReturnType<typeof build>) {
  const { W_Q, W_K, W_V, W_O, b_Q, b_K, b_V, b_O, bias_K, bias_V, sinks, heads } = layer;
  const { numHeads, numKvHeads, dK, dV } = heads;
  const zeros = (cols: number) => table(1, cols, () => 0);
  const extra: [Table, Table][] = [];
  if (bias_K && bias_V) extra.push([bias_K, bias_V]);
  if (layer.addZeroAttention) extra.push([zeros(numKvHeads * dK), zeros(numKvHeads * dV)]);
  const slopes = slopesOf(config.layer.alibi, numHeads);
  const [left, right] = reachOf(config.layer);
  const weights: Table[] = [];
  const outputs = config.lengths.map(([lq, lk], s) => {
    let q = plainAffine(rowsOf(x, queries[s], queries[s + 1]), W_Q, b_Q);
    let k = plainAffine(rowsOf(context, keys[s], keys[s + 1]), W_K, b_K);
    const v = plainAffine(rowsOf(context, keys[s], keys[s + 1]), W_V, b_V);
    if (layer.rope) [q, k] = [plainRotary(q, { numHeads }), plainRotary(k, { numHeads: numKvHeads })];
    const offset = config.layer.causal === 'top-left' ? 0 : lk - lq;
    const rowOf = (h: number, i: number, perHead: boolean) => (perHead ? h * x.rows : 0) + queries[s] + i;
    const biasAt = (h: number, i: number, j: number) =>
      call.bias === undefined ? 0 : call.bias.data[rowOf(h, i, config.bias === 'per head') * columns + j];
    const options: PlainOptions = {
      ...{ numHeads, numKvHeads, softcap: config.layer.softcap, sinks: sinks && Array.from(sinks.data) },
      mayAttend: (h, i, j) => {
        if (j >= lk) return true;
        const position = offset + i;
        if (j < position - left || j > position + right) return false;
        const flags = call.mask as Uint8Array | undefined;
        if (flags && flags[rowOf(h, i, config.mask === 'per head') * columns + j] === 0) return false;
        return call.keyMask?.[keys[s] + j] !== 0 && biasAt(h, i, j) !== Number.NEGATIVE_INFINITY;
      },
      bias: (h, i, j) => (j >= lk ? 0 : biasAt(h, i, j) - (slopes ? slopes[h] * Math.abs(offset + i - j) : 0)),
    };
    const steps = plainAttention(
      q,
      stack([k, ...extra.map((e) => e[0])]),
      stack([v, ...extra.map((e) => e[1])]),
      options,
    );
    weights.push(...steps.weights);
    return steps.output;
  });
  return { out: plainAffine(stack(outputs), W_O, b_O), weights };
}

const CONFIGS = configs(280);

forEachTwin((twin) => {
  const { tolerance } = twin;

  describe('extra keys stand outside causal, windows, ALiBi and masks', () => {
    test('forward and weights of every combination are those of plain loops', () => {
      CONFIGS.forEach((config, i) => {
        const built = build(config);
        const expected = plain(config, built);
        const call = { ...built.call, context: built.context };
        expectTable(built.layer.forward(built.x, call), expected.out, tolerance, `config ${i}`);
        built.layer.attentionWeights(built.x, call).forEach((w, unit) => {
          expectTable(w, expected.weights[unit], tolerance, `config ${i}, weights ${unit}`);
        });
      });
    });

    test('the same with a hook that looks, and one that replaces by the same', () => {
      CONFIGS.filter((_, i) => i % 9 === 0).forEach((config, i) => {
        const built = build(config);
        const expected = plain(config, built);
        built.layer.addHook('hook_pattern', (pattern) => pattern.scale(1));
        const call = { ...built.call, context: built.context };
        expectTable(built.layer.forward(built.x, call), expected.out, tolerance, `config ${i}`);
      });
    });

    test.each(CONFIGS.map((_, i) => i).filter((i) => i % 29 === 5))(
      'the gradients are those of differences: config %i',
      (i) => {
        const built = build(CONFIGS[i]);
        const parameters = built.layer.parameters();
        const of = {
          inputs: () => [built.x, built.context, ...parameters].filter((m) => m.data.length > 0),
          f: () => built.layer.forward(built.x, { ...built.call, context: built.context }),
        };
        expectGradients(of, differences(of), { ...twin, tolerance: Math.max(tolerance, 1e-8) });
      },
    );
  });

  test('two early rows of causal cross-attention see the extra key alone', () => {
    const layer = new MultiHeadAttention({ dModel: 4, numHeads: 1, causal: true, addBiasKeyValue: true, seed: 1 });
    const [weights] = layer.attentionWeights(normal(5, 4, 1), { context: normal(2, 4, 2) });
    expect(weights.sliceRows(0, 3).toArray()).toEqual([
      [0, 0, 1],
      [0, 0, 1],
      [0, 0, 1],
    ]);
    expect(weights.get(3, 0)).toBeGreaterThan(0);
    expect(weights.get(3, 1)).toBe(0);
  });

  const ofSteps: Partial<MultiHeadAttentionOptions>[] = [
    {},
    { window: 3 },
    { window: [0, 2], rope: true },
    { alibi: true },
    { window: 4, alibi: true, softcap: 2, sinks: true },
  ];
  describe.each(ofSteps)('steps with %o', (options) => {
    const make = () => {
      const given = {
        dModel: D_MODEL,
        numHeads: 4,
        numKvHeads: 2,
        addBiasKeyValue: true,
        addZeroAttention: true,
        seed: 2,
      };
      return new MultiHeadAttention({ ...given, causal: true, ...options }).eval();
    };
    const x = normal(17, D_MODEL, 3);
    const stepped = (layer: MultiHeadAttention, cache: ReturnType<MultiHeadAttention['createCache']>, size: number) => {
      const parts: Matrix[] = [];
      for (let at = 0; at < x.rows; at += size)
        parts.push(layer.step(x.sliceRows(at, Math.min(x.rows, at + size)), cache));
      return Matrix.concatRows(parts);
    };

    test.each([1, 4, 17])('are those of forward, %i rows at a time', (size) => {
      const layer = make();
      const got = stepped(layer, layer.createCache({ capacity: 20 }), size);
      expectSame(got.data, layer.forward(x).data);
    });

    test.each([
      [1, 0],
      [1, 2],
      [5, 0],
      [5, 2],
    ])('are those of plain loops in a ring, %i rows at a time, %i sink tokens', (size, sinkTokens) => {
      const layer = make();
      const capacity = 8;
      const got = stepped(layer, layer.createCache({ capacity, mode: 'ring', sinkTokens }), size);
      // What the ring forgot is hidden by a mask of a plain layer.
      const mask = Uint8Array.from({ length: 17 * 17 }, (_, at) => {
        const [i, j] = [Math.floor(at / 17), at % 17];
        return Number(j < sinkTokens || j > i - (capacity - sinkTokens));
      });
      expectClose(got.data, layer.forward(x, { mask }).data, tolerance);
    });
  });
});

test('the configurations hold what they are to hold', () => {
  const early = CONFIGS.filter(({ layer, lengths }) => layer.causal === true && lengths.some(([q, k]) => q > k + 1));
  expect(early.length).toBeGreaterThan(30);
  for (const name of ['window', 'alibi', 'softcap', 'sinks', 'rope'] as const) {
    expect(sum(CONFIGS.map(({ layer }) => Number(Boolean(layer[name])))), name).toBeGreaterThan(20);
  }
});
