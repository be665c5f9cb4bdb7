import type { CaseResult, MemoryResult, Timing } from '../harness/case.js';
import { environmentText } from './environment.js';
import type { Results } from './results.js';

/** Three digits that count: 0.0123, 1.23, 12.3, 123, 1234. */
export function number(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const rounded = Number(value.toPrecision(3)); // 9.999 is 10.0
  const digits = 2 - Math.floor(Math.log10(Math.abs(rounded)));
  return value.toFixed(Math.min(Math.max(digits, 0), 6));
}

export function time(ms: number): string {
  if (ms < 1) return `${number(ms * 1000)} µs`;
  return ms < 1000 ? `${number(ms)} ms` : `${number(ms / 1000)} s`;
}

/** A ratio is two digits behind the point, beyond 10 one. */
export const times = (ratio: number): string => `${ratio.toFixed(ratio < 10 ? 2 : 1)} ×`;

const rates = ({ rates: all }: Timing): string =>
  Object.entries(all)
    .map(([unit, rate]) => `${number(rate)} ${unit}`)
    .join(', ');

/** Of a yardstick one wants to know how much of it was reached, of a contender how much faster than it. */
function comparison({ kind, ratio }: Timing, isFirst: boolean): string {
  if (isFirst) return '';
  if (kind === 'yardstick') return `${(100 * ratio.median).toFixed(0)} % of it`;
  return `${times(ratio.median)} (${ratio.low.toFixed(2)}–${ratio.high.toFixed(2)})`;
}

/** A case as text for the terminal. */
export function caseText({ case: name, timings, skipped, wrong }: CaseResult): string {
  const rows = timings.map((timing, i) => [
    timing.contender,
    time(timing.medianMs),
    rates(timing),
    comparison(timing, i === 0),
  ]);
  const widths = [0, 1, 2].map((column) => Math.max(0, ...rows.map((row) => row[column].length)));
  const lines = rows.map((row) => `  ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')}`.trimEnd());
  const notes = [...skipped.map((note) => `  left out: ${note}`), ...wrong.map((note) => `  WRONG: ${note}`)];
  return [name, ...lines, ...notes].join('\n');
}

export function memoryText({ case: name, contender, extraUnits, extraBytes, ms }: MemoryResult): string {
  const megabytes = `${number(extraBytes / 2 ** 20)} MiB`;
  return `${name}\n  ${contender}  ${number(extraUnits)} × L·dModel·4 bytes (${megabytes})  ${time(ms)}`;
}

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');

/** Every contender once, as they appear, the yardsticks last. */
function columns(cases: readonly CaseResult[]): string[] {
  const all = cases.flatMap(({ timings }) => timings);
  const isYardstick = ({ kind }: Timing) => kind === 'yardstick';
  const ordered = [...all.filter((timing) => !isYardstick(timing)), ...all.filter(isYardstick)];
  return [...new Set(ordered.map(({ contender }) => contender))];
}

/** A case a line, a contender a column: its rate, and in brackets how many times faster the first one is. */
export function overview({ cases, memory }: Results): string {
  const contenders = columns(cases);
  const timed = cases.map(({ case: name, unit, timings }) => [
    name,
    unit,
    ...contenders.map((contender) => {
      const i = timings.findIndex((timing) => timing.contender === contender);
      if (i < 0) return '–';
      const rate = number(timings[i].rates[unit]);
      if (i === 0) return `**${rate}**`;
      const { kind, ratio } = timings[i];
      return `${rate} (${kind === 'yardstick' ? `${(100 * ratio.median).toFixed(0)} %` : times(ratio.median)})`;
    }),
  ]);
  const held = memory.map(({ case: name, contender, extraUnits }) => {
    const own = contenders.map((column) => (column === contender ? `**${number(extraUnits)}**` : '–'));
    return [name, '× L·dModel·4 bytes', ...own];
  });
  return table(['case', 'unit', ...contenders], [...timed, ...held]);
}

/** The whole page of a run. */
export function markdownPage(results: Results): string {
  const { environment, cases } = results;
  const peers = Object.entries(environment.peers).map(([name, version]) => `${name} ${version}`);
  const details = cases.flatMap(({ case: name, timings }) =>
    timings.map((timing, i) => [
      name,
      timing.contender,
      time(timing.medianMs),
      time(timing.bestMs),
      rates(timing),
      comparison(timing, i === 0),
    ]),
  );
  const notes = cases.flatMap(({ case: name, skipped, wrong }) => [
    ...skipped.map((note) => `- ${name}: left out: ${note}`),
    ...wrong.map((note) => `- ${name}: WRONG: ${note}`),
  ]);
  const parts = [
    '# Benchmark',
    `${environmentText(environment)}. ${environment.platform}, V8 ${environment.v8}, ${environment.rounds} rounds, one thread.`,
    ...(peers.length > 0 ? [`Peers: ${peers.join(', ')}.`] : []),
    LEGEND,
    overview(results),
    '## Every contender',
    table(['case', 'contender', 'median', 'best', 'rate', 'the first one is faster by (quartiles)'], details),
    ...(notes.length > 0 ? ['## Left out', notes.join('\n')] : []),
  ];
  return `${parts.join('\n\n')}\n`;
}

export const LEGEND =
  'Rates are medians over the rounds; in brackets, how many times faster the first contender is (median of the ratios ' +
  'within a round), or how much of the yardsticks “peak” (the multiply-add loop of 128-bit WASM SIMD) and “own matmul” it reaches.';
