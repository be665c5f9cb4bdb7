import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CaseResult, MemoryResult } from '../../bench/harness/case.js';
import { shownResult, withResult } from '../../bench/report/readme.js';
import { fromJsonLines, type Results, toJsonLines } from '../../bench/report/results.js';
import { caseText, markdownPage, memoryText, number, overview, time } from '../../bench/report/tables.js';
import { projectRoot } from '../support/source-modules.js';

const product: CaseResult = {
  case: 'matmul 64',
  group: 'matmul',
  unit: 'GFLOP/s',
  timings: [
    { ...{ contender: 'qkv wasm-simd', kind: 'qkv', medianMs: 0.0123, bestMs: 0.012 }, ...rate(42.61, 1) },
    { ...{ contender: 'naive loop', kind: 'loop', medianMs: 0.4, bestMs: 0.39 }, ...rate(1.31, 32.5) },
    { ...{ contender: 'peak', kind: 'yardstick', medianMs: 4, bestMs: 4 }, ...rate(53.4, 0.798) },
  ],
  skipped: ['slow: a call would take about 2.0 s'],
  wrong: ['odd: row 0, column 0 is NaN'],
};
const rows: CaseResult = {
  case: 'rows 1 against 768×768',
  group: 'rows',
  unit: 'GB/s',
  timings: [{ ...product.timings[0], rates: { 'GB/s': 61, 'GFLOP/s': 30.5 } }],
  skipped: [],
  wrong: [],
};
const memory: MemoryResult = {
  case: 'memory of attention',
  group: 'memory',
  contender: 'qkv wasm-simd',
  extraBytes: 5 * 2 ** 20,
  extraUnits: 5.26,
  ms: 1234,
};
const results: Results = {
  environment: {
    cpu: 'A CPU',
    cpus: 2,
    platform: 'linux x64',
    node: '20.1.0',
    v8: '11.3',
    commit: 'abc1234',
    date: '2026-01-02T03:04:05.000Z',
    loadBefore: 0.1,
    loadAfter: 1.02,
    rounds: 15,
    peers: { 'onnxruntime-web': '1.30.0' },
  },
  cases: [{ ...rows, case: 'the peak', unit: 'GFLOP/s', timings: [product.timings[2]] }, product, rows],
  memory: [memory],
};

function rate(gflops: number, ratio: number) {
  return { rates: { 'GFLOP/s': gflops }, ratio: { median: ratio, low: ratio, high: ratio } };
}

describe('numbers', () => {
  it('have three digits that count', () => {
    expect([0, 0.01234, 0.5, 1.234, 9.999, 12.34, 123.4, 1234.5].map(number)).toEqual([
      ...['0', '0.0123', '0.500', '1.23', '10.0', '12.3', '123', '1235'],
    ]);
    expect(number(Number.NaN)).toBe('NaN');
  });

  it('of time have the unit that suits', () => {
    expect([0.0123, 0.5, 1, 45.6, 1500].map(time)).toEqual(['12.3 µs', '500 µs', '1.00 ms', '45.6 ms', '1.50 s']);
  });
});

describe('text', () => {
  it('of a case: rates, how much faster, what was left out and what was wrong', () => {
    expect(caseText(product).split('\n')).toEqual([
      'matmul 64',
      '  qkv wasm-simd  12.3 µs  42.6 GFLOP/s',
      '  naive loop     400 µs   1.31 GFLOP/s  32.5 × (32.50–32.50)',
      '  peak           4.00 ms  53.4 GFLOP/s  80 % of it',
      '  left out: slow: a call would take about 2.0 s',
      '  WRONG: odd: row 0, column 0 is NaN',
    ]);
  });

  it('of memory', () => {
    expect(memoryText(memory)).toBe('memory of attention\n  qkv wasm-simd  5.26 × L·dModel·4 bytes (5.00 MiB)  1.23 s');
  });
});

describe('tables', () => {
  it('show a case a line and a contender a column', () => {
    expect(overview(results).split('\n')).toEqual([
      '| case | unit | qkv wasm-simd | naive loop | peak |',
      '| --- | --- | --- | --- | --- |',
      '| the peak | GFLOP/s | – | – | **53.4** |',
      '| matmul 64 | GFLOP/s | **42.6** | 1.31 (32.5 ×) | 53.4 (80 %) |',
      '| rows 1 against 768×768 | GB/s | **61.0** | – | – |',
      '| memory of attention | × L·dModel·4 bytes | **5.26** | – | – |',
    ]);
  });

  it('stand on a page that says where, when and what was measured', () => {
    const page = markdownPage(results);
    expect(page).toContain('A CPU (2 CPUs), Node 20.1.0, commit abc1234, 2026-01-02, load 0.1 before, 1.02 after');
    expect(page).toContain('onnxruntime-web 1.30.0');
    expect(page).toContain(overview(results));
    expect(page).toContain('| matmul 64 | naive loop | 400 µs | 390 µs | 1.31 GFLOP/s | 32.5 × (32.50–32.50) |');
    expect(page).toContain('- matmul 64: left out: slow: a call would take about 2.0 s');
    expect(page).toContain('- matmul 64: WRONG: odd: row 0, column 0 is NaN');
    expect(page.endsWith('\n') && !page.endsWith('\n\n')).toBe(true);
  });
});

describe('JSON lines', () => {
  it('are the environment and a line a case, and come back as they were', () => {
    const text = toJsonLines(results);
    expect(text.trimEnd().split('\n')).toHaveLength(5);
    expect(JSON.parse(text.split('\n')[2]).case).toBe('matmul 64');
    expect(fromJsonLines(text)).toEqual(results);
  });

  it('must hold the environment', () => {
    expect(() => fromJsonLines('{}\n')).toThrow(SyntaxError);
    expect(() => fromJsonLines('')).toThrow(SyntaxError);
  });
});

describe('the place in README.md', () => {
  const page = 'before\n<!-- bench: old.jsonl -->\nanything\n\n| old |\n<!-- /bench -->\nafter\n';

  it('is filled, and nothing else is touched', () => {
    const filled = withResult(page, 'bench/results/new.jsonl', results);
    expect(shownResult(filled)).toBe('bench/results/new.jsonl');
    expect(filled.startsWith('before\n<!-- bench: bench/results/new.jsonl -->\nA CPU')).toBe(true);
    expect(filled.endsWith(`${overview(results)}\n<!-- /bench -->\nafter\n`)).toBe(true);
    expect(filled).not.toContain('old');
    expect(withResult(filled, 'bench/results/new.jsonl', results)).toBe(filled);
  });

  it('must be there', () => {
    expect(shownResult('no place')).toBeUndefined();
    expect(() => withResult('no place', 'x', results)).toThrow('README.md must have two lines');
  });
});

describe('README.md', () => {
  const readme = readFileSync(join(projectRoot, 'README.md'), 'utf8');
  const folder = join(projectRoot, 'bench/results');
  const committed = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.jsonl')) : [];

  it('shows a committed result if there is one, and none that is not', () => {
    const shown = shownResult(readme);
    if (committed.length === 0) expect(shown).toBeUndefined();
    else expect(committed.map((name) => `bench/results/${name}`)).toContain(shown);
  });

  it('shows the table of that result', () => {
    const shown = shownResult(readme);
    if (shown === undefined) return;
    const result = fromJsonLines(readFileSync(join(projectRoot, shown), 'utf8'));
    expect(withResult(readme, shown, result)).toBe(readme);
  });
});
