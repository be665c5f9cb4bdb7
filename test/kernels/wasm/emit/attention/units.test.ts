import { describe, expect, it } from 'vitest';
import type { AttentionForwardProblem, AttentionGradients } from '../../../../../src/kernels/attention-problem.js';
import type { Floats } from '../../../../../src/kernels/contract.js';
import { attention, attentionStatistics } from '../../../../../src/kernels/wasm/calls/attention.js';
import { attentionBackward } from '../../../../../src/kernels/wasm/calls/attention-backward.js';
import { KernelMemory } from '../../../../../src/kernels/wasm/memory/memory.js';
import { attentionExports, attentionModule } from '../../../../../src/kernels/wasm/module/attention.generated.js';
import {
  attentionBackwardExports,
  attentionBackwardModule,
} from '../../../../../src/kernels/wasm/module/attention-backward.generated.js';
import { BACKWARD_FIELDS, type BackwardField } from '../../../../../src/kernels/wasm/module/attention-record.js';
import type { Entries } from '../../../../../src/kernels/wasm/module/launch.js';
import { Matrix } from '../../../../../src/matrix/matrix.js';
import {
  type AttentionCase,
  attentionCases,
  GRADIENTS,
  problemOf,
  type Upstream,
  upstreamOf,
} from '../../../../support/attention-cases.js';
import { expectSame } from '../../../../support/compare.js';
import { newRuntime, withEntries } from '../../../../support/kernels.js';
import { fc } from '../../../../support/property.js';

// Units of every entry of attention may be handed out in any order, in any ranges, to threads with a scratch of their own,
// however many parts a head is cut into: the bits are those of one call over all units.

/** Knows how large the scratch of a launch is: what was reserved last. */
class NotedMemory extends KernelMemory {
  last = 0;
  override reserve(bytes: number): number {
    this.last = bytes;
    return super.reserve(bytes);
  }
}

const memory = new NotedMemory();
const runtime = newRuntime(memory);
const words = () => new Uint32Array(memory.memory.buffer);
/** A NaN that arithmetic does not make. */
const POISON = 0x7fc0dead;

/** A launch of an entry: runs units [from, to) in a scratch of their own, in which nothing is left of others. */
interface Launch {
  name: string;
  record: number;
  units: number;
  run: (from: number, to: number) => void;
  /** What a field of the record holds. */
  field: (name: BackwardField) => number;
  /** An int of the scratch that was used last. */
  left: (name: BackwardField) => number;
}

/** Runs f with every launch of an attention done by `launched`. */
function launching<T>(launched: (launch: Launch) => void, f: () => T): T {
  const exchanged = (entries: Entries): Entries => {
    const names = Object.keys(entries).filter((name) => /^attention(_backward|_\w+_gradients)?$/.test(name));
    const exchange = (name: string) => (record: number, from: number, to: number) => {
      const [size, field] = [memory.last, (of: BackwardField) => words()[record / 4 + BACKWARD_FIELDS.indexOf(of)]];
      expect(from).toBe(0);
      let scratch = 0;
      const run = (from: number, to: number) => {
        scratch = memory.reserve(size);
        words().fill(POISON, scratch / 4, (scratch + size) / 4);
        entries[name](record, from, to, scratch);
      };
      const left = (of: BackwardField) => words()[(scratch + field(of)) / 4];
      launched({ name, record, units: to, run, field, left });
    };
    return Object.fromEntries(names.map((name) => [name, exchange(name)]));
  };
  return withEntries(runtime, attentionModule, attentionExports, exchanged, () =>
    withEntries(runtime, attentionBackwardModule, attentionBackwardExports, exchanged, f),
  );
}

interface Everything extends AttentionGradients {
  out: Floats;
  max: Floats;
  sum: Floats;
  maxAlone: Floats;
  sumAlone: Floats;
}

function everything(problem: AttentionForwardProblem, upstream: Upstream, parts?: number): Everything {
  const forward = attention(runtime, problem, parts);
  const alone = attentionStatistics(runtime, problem, parts);
  const gradients = attentionBackward(runtime, { ...problem, ...forward, ...upstream }, parts);
  return { ...forward, maxAlone: alone.max, sumAlone: alone.sum, ...gradients };
}

const NAMES = ['out', 'max', 'sum', 'maxAlone', 'sumAlone', ...GRADIENTS] as const;

function expectAll(got: Everything, expected: Everything, label: string): void {
  for (const name of NAMES) expectSame(got[name] ?? [], expected[name] ?? [], `${label}: ${name}`);
}

const planted = (x: Floats, value: number, where: (i: number) => boolean) =>
  Float32Array.from(x, (old, i) => (where(i) ? value : old));

const PARTS = [1, 2, 3, 7];

/** Ranges that cut [0, units) at these places, shuffled by these keys. */
function ranges(units: number, cuts: number[], keys: number[]): [number, number][] {
  const places = [...new Set([0, ...cuts.map((cut) => cut % (units + 1)), units])].sort((a, b) => a - b);
  return places
    .slice(1)
    .map((to, i): [number, number] => [places[i], to])
    .map((range, i) => ({ range, key: keys[i % keys.length] * (i + 1) }))
    .sort((a, b) => (a.key % 1009) - (b.key % 1009))
    .map(({ range }) => range);
}

describe('the units of an attention', () => {
  const sizes = { sequences: 3, queries: 200, keys: 200, width: 9 };
  const shuffling = [
    fc.array(fc.nat(10_000), { maxLength: 12 }),
    fc.array(fc.nat(10_000), { minLength: 1, maxLength: 5 }),
  ] as const;

  it('give the same bits for any number of parts, in any ranges, in any order, with any options together', () => {
    fc.assert(
      fc.property(attentionCases(sizes), fc.constantFrom(...PARTS), ...shuffling, (c, parts, cuts, keys) => {
        const problem = problemOf(c);
        const upstream = upstreamOf(problem);
        const whole = everything(problem, upstream);
        expectAll(everything(problem, upstream, parts), whole, `${parts} parts`);
        const shuffled = launching(
          ({ units, run }) => {
            for (const [from, to] of ranges(units, cuts, keys)) run(from, to);
          },
          () => everything(problem, upstream, parts),
        );
        expectAll(shuffled, whole, `${parts} parts, shuffled`);
      }),
      { numRuns: 100 },
    );
  });

  it('so do they with NaN and infinity anywhere, attended or not', () => {
    const inputs = fc.constantFrom('q', 'k', 'v', 'bias', 'dOut', 'dLogSumExp', 'sinks');
    const values = fc.constantFrom(Number.NaN, Infinity, -Infinity, 3e38);
    fc.assert(
      fc.property(
        attentionCases({ ...sizes, sequences: 2 }),
        fc.constantFrom(2, 3, 7),
        inputs,
        values,
        fc.nat(),
        ...shuffling,
        (c, parts, input, value, at, cuts, keys) => {
          const clean = problemOf(c);
          const all = { ...clean, ...upstreamOf(clean) };
          const old = all[input];
          const problem = { ...all, [input]: old && planted(old, value, (i) => i === at % old.length) };
          const whole = everything(problem, problem);
          const shuffled = launching(
            ({ units, run }) => {
              for (const [from, to] of ranges(units, cuts, keys)) run(from, to);
            },
            () => everything(problem, problem, parts),
          );
          expectAll(shuffled, whole, `${parts} parts, ${value} in ${input}`);
        },
      ),
      { numRuns: 120 },
    );
  });

  it.each([Number.NaN, Infinity])('never show %d of hidden keys, nor of rows that attend to nothing', (poison) => {
    fc.assert(
      fc.property(attentionCases({ ...sizes, sequences: 2 }), fc.constantFrom(2, 3, 7), fc.nat(), (c, parts, seed) => {
        const clean = problemOf({ ...c, keyMask: true, mask: 'shared', options: { ...c.options, sinks: undefined } });
        const { keyMask, mask, numHeads, numKvHeads, dK, dV, columns, cuSeqlens } = clean;
        const rows = cuSeqlens[cuSeqlens.length - 1];
        const nothing = (row: number) => (row * 7 + seed) % 5 === 0;
        for (let row = 0; row < rows; row++) {
          if (nothing(row)) mask?.fill(0, row * columns, (row + 1) * columns);
        }
        const upstream = upstreamOf(clean);
        const hidden = (width: number) => (i: number) => keyMask?.[Math.floor(i / (numKvHeads * width))] === 0;
        const idle = (width: number) => (i: number) => nothing(Math.floor(i / (numHeads * width)));
        const dirty = {
          ...clean,
          q: planted(clean.q, poison, idle(dK)),
          k: planted(clean.k, poison, hidden(dK)),
          v: planted(clean.v, poison, hidden(dV)),
          bias: clean.bias && planted(clean.bias, poison, (i) => mask?.[i % mask.length] === 0),
        };
        const dOut = planted(upstream.dOut, poison, idle(dV));
        expectAll(everything(dirty, { ...upstream, dOut }, parts), everything(clean, upstream), `${parts} parts`);
      }),
      { numRuns: 30 },
    );
  });
});

const LONG: AttentionCase = {
  lengths: [
    { lq: 140, lk: 200 },
    { lq: 0, lk: 70 },
    { lq: 3, lk: 0 },
    { lq: 4, lk: 65 },
  ],
  numHeads: 4,
  numKvHeads: 2,
  dK: 5,
  dV: 3,
  mask: 'none',
  bias: 'none',
  keyMask: false,
  options: {},
};
const longOf = (options: AttentionCase['options'], more: Partial<AttentionCase> = {}) => {
  const c = { ...LONG, ...more };
  return problemOf({ ...c, options: { numHeads: c.numHeads, numKvHeads: c.numKvHeads, seed: 5, ...options } });
};

/** Every array that an entry writes, and its length. */
function outputsOf(name: string, problem: AttentionForwardProblem): [BackwardField, number][] {
  const { q, k, v, bias, sinks, numHeads, dV, cuSeqlens } = problem;
  const rows = cuSeqlens[cuSeqlens.length - 1] * numHeads;
  if (name === 'attention') {
    return [
      ['out', rows * dV],
      ['max', rows],
      ['sum', rows],
    ];
  }
  const ofQueries: [BackwardField, number][] = [
    ['gradQ', q.length],
    ['gradBias', bias?.length ?? 0],
  ];
  const ofKeys: [BackwardField, number][] = [
    ['gradK', k.length],
    ['gradV', v.length],
    ['gradSinks', sinks ? (cuSeqlens.length - 1) * numHeads : 0],
  ];
  if (name === 'attention_query_gradients') return ofQueries;
  return name === 'attention_key_gradients' ? ofKeys : [...ofQueries, ...ofKeys];
}

/**
 * Runs the units of a launch one by one, the last first, each over two fillings of the outputs: what then differs it did
 * not write. No two may write one word, and together they write all. Gives the unit of every word.
 */
function oneByOne({ name, units, run, field }: Launch, problem: AttentionForwardProblem): Int32Array[] {
  const outputs = outputsOf(name, problem).filter(([of, length]) => field(of) !== 0 && length > 0);
  const written = outputs.map(([, length]) => new Int32Array(length).fill(-1));
  const found = outputs.map(([, length]) => new Uint32Array(length));
  const after = (unit: number, filling: number) => {
    for (const [of, length] of outputs) words().fill(filling, field(of) / 4, field(of) / 4 + length);
    run(unit, unit + 1);
    return outputs.map(([of, length]) => words().slice(field(of) / 4, field(of) / 4 + length));
  };
  for (let unit = units - 1; unit >= 0; unit--) {
    const [first, second] = [after(unit, POISON), after(unit, 0x41414141)];
    outputs.forEach(([of], o) => {
      first[o].forEach((word, i) => {
        if (word !== second[o][i]) return;
        if (written[o][i] !== -1) throw new Error(`${name}: units ${written[o][i]} and ${unit} write ${of}[${i}]`);
        written[o][i] = unit;
        found[o][i] = word;
      });
    });
  }
  outputs.forEach(([of], o) => {
    const missing = written[o].indexOf(-1);
    if (missing !== -1) throw new Error(`${name}: no unit writes ${of}[${missing}]`);
    words().set(found[o], field(of) / 4);
  });
  return written;
}

describe('a unit of an attention', () => {
  const options: Record<string, AttentionCase['options']> = {
    nothing: {},
    causal: { causal: true, sinks: Matrix.from([[0.5, 1, -1, 2]]) },
    window: { window: [20, 90], softcap: 3, alibi: true, dropout: 0.3 },
  };
  it.each(PARTS)('writes its own results and no others, with %i parts', (parts) => {
    for (const [name, given] of Object.entries(options)) {
      for (const bias of ['none', 'shared', 'per head'] as const) {
        const problem = longOf(given, { bias, keyMask: name !== 'nothing' });
        const upstream = upstreamOf(problem);
        const got = launching(
          (launch) => oneByOne(launch, problem),
          () => everything(problem, upstream, parts),
        );
        expectAll(got, everything(problem, upstream), `${name}, bias ${bias}`);
      }
    }
  });

  it('is smaller than a sequence and a head: with as many parts as tiles, a tile', () => {
    const problem = longOf({}, { numHeads: 1, numKvHeads: 1, lengths: [{ lq: 512, lk: 512 }] });
    const sizes: Record<string, number[]> = {};
    launching(
      (launch) => {
        const [ofUnits] = oneByOne(launch, problem);
        sizes[launch.name] = Array.from({ length: launch.units }, (_, unit) => {
          return ofUnits.filter((other) => other === unit).length / ofUnits.length;
        });
      },
      () => everything(problem, upstreamOf(problem), 8),
    );
    const eighths = Array.from({ length: 8 }, () => 1 / 8);
    expect(sizes).toEqual({
      attention: eighths,
      attention_key_gradients: eighths,
      attention_query_gradients: eighths,
    });
  });

  it('goes the careful way for itself alone', () => {
    // Key 200 of 330 is hidden: it lies in the second of three blocks. Row 135 of 140 attends to nothing.
    const lengths = [{ lq: 140, lk: 330 }];
    const problem = longOf({}, { lengths, numHeads: 1, numKvHeads: 1, keyMask: true, mask: 'shared' });
    const { keyMask, mask, columns } = problem;
    keyMask?.fill(1);
    keyMask?.fill(0, 200, 201);
    mask?.fill(1);
    mask?.fill(0, 135 * columns, 136 * columns);
    const upstream = upstreamOf(problem);
    const forward = attention(runtime, problem);
    const bad = (changed: Partial<AttentionForwardProblem & Upstream>) => {
      const found: Record<string, number[]> = {};
      const gradients = launching(
        ({ name, units, run, left }) => {
          found[name] = [];
          for (let unit = 0; unit < units; unit++) {
            run(unit, unit + 1);
            if (left('atBad') !== 0) found[name].push(unit);
          }
        },
        () => attentionBackward(runtime, { ...problem, ...forward, ...upstream, ...changed }, 3),
      );
      const clean = attentionBackward(runtime, { ...problem, ...forward, ...upstream });
      for (const name of GRADIENTS) expectSame(gradients[name] ?? [], clean[name] ?? [], name);
      return found;
    };
    expect(bad({})).toEqual({ attention_key_gradients: [], attention_query_gradients: [] });
    // dQ of all rows adds 0·NaN; no sum over queries does.
    const k = planted(problem.k, Number.NaN, (i) => Math.floor(i / 5) === 200);
    expect(bad({ k })).toEqual({ attention_key_gradients: [], attention_query_gradients: [0, 1, 2] });
    // dK of all keys adds 0·NaN; dQ of the row is 0 times finite keys.
    const q = planted(problem.q, Number.NaN, (i) => Math.floor(i / 5) === 135);
    expect(bad({ q })).toEqual({ attention_key_gradients: [0, 1, 2], attention_query_gradients: [] });
  });

  it('needs scratch that shrinks with the parts where its sums are those of keys', () => {
    const problem = longOf({}, { numHeads: 1, numKvHeads: 1, lengths: [{ lq: 64, lk: 4096 }], dK: 64, dV: 64 });
    const bytes = (parts: number) => {
      attentionBackward(runtime, { ...problem, ...attention(runtime, problem), ...upstreamOf(problem) }, parts);
      return memory.last;
    };
    expect(bytes(1)).toBeGreaterThan(4 * 4096 * (3 * 64 + 2 * 64));
    expect(bytes(8)).toBeLessThan(bytes(1) - 4 * 4096 * 100);
  });
});
