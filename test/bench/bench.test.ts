import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { fromJsonLines } from '../../bench/report/results.js';
import { markdownPage } from '../../bench/report/tables.js';
import { requireBuilt } from '../support/built.js';
import { node } from '../support/processes.js';
import { projectRoot } from '../support/source-modules.js';
import { temporaryFolder } from '../support/temporary.js';

const bench = (...args: string[]) => node(['build/bench/index.js', ...args], projectRoot);

beforeAll(requireBuilt);

describe('npm run bench', () => {
  it('runs every case of --quick under every choice of kernels, all right', () => {
    const folder = temporaryFolder();
    const [json, markdown] = [join(folder, 'x.jsonl'), join(folder, 'x.md')];
    const kernels = ['wasm-simd', 'javascript', 'reference'];
    const files = ['--json', json, '--markdown', markdown];
    const { code, stdout, stderr } = bench('--quick', '--rounds', '2', '--kernels', kernels.join(','), ...files);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const results = fromJsonLines(readFileSync(json, 'utf8'));
    expect(results.environment).toMatchObject({ node: process.versions.node, rounds: 2, peers: {} });
    const groups = new Set(results.cases.map(({ group }) => group));
    expect([...groups]).toEqual(['peak', 'matmul', 'rows', 'softmax', 'attention', 'layer', 'training', 'decode']);
    const own = kernels.map((name) => `qkv ${name}`);
    for (const { case: name, timings, skipped, wrong, group } of results.cases) {
      expect(stdout).toContain(`${name}\n`);
      expect({ name, skipped, wrong }).toEqual({ name, skipped: [], wrong: [] });
      if (group === 'peak') continue;
      const contenders = timings.filter(({ kind }) => kind !== 'yardstick').map(({ contender }) => contender);
      expect(contenders).toEqual([...own, 'naive loop']);
      for (const { medianMs, bestMs } of timings) expect(medianMs >= bestMs && bestMs > 0).toBe(true);
    }
    expect(results.memory.map(({ contender }) => contender)).toEqual([...own, ...own, ...own, ...own]);
    for (const { extraBytes } of results.memory) expect(extraBytes).toBeGreaterThanOrEqual(0);
    expect(readFileSync(markdown, 'utf8')).toBe(markdownPage(results));
  });

  it('measures only the cases asked for', () => {
    const json = join(temporaryFolder(), 'x.jsonl');
    expect(bench('--quick', '--case', 'softmax', '--case', 'decode', '--json', json).code).toBe(0);
    const { cases, memory } = fromJsonLines(readFileSync(json, 'utf8'));
    expect(cases.map(({ group }) => group)).toEqual(['softmax', 'decode']);
    expect(memory).toEqual([]);
  });

  it('shows its help', () => {
    expect(bench('--help')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^npm run bench -- \[options]/) });
  });

  it.each([
    [['--fast'], 'every option must be known'],
    [['--case', 'no such case'], '--case must be part of a name: got no such case (names: peak'],
    [['--quick', '--json', 'no/such/folder/x.jsonl'], 'no/such/folder/x.jsonl must be writable'],
    [['--quick', '--json', '.'], '. must be a file: it is none'],
    [['--quick', '--markdown', '.'], '. must be a file: it is none'],
    [['--update-readme', '.'], '--update-readme must name a file: . is none'],
    [['--update-readme', 'no-such-file.jsonl'], '--update-readme must name a file: no-such-file.jsonl does not exist'],
  ])('refuses %j with one line and exit code 2', (args, message) => {
    const { code, stdout, stderr } = bench(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^npm run bench: [^\n]+\n$/);
    expect(stderr).toContain(message);
    expect(existsSync(join(projectRoot, 'no'))).toBe(false);
  });
});
