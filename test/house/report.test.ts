import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { node } from '../support/processes.js';
import { projectRoot } from '../support/source-modules.js';
import { temporaryFolder } from '../support/temporary.js';

const script = join(projectRoot, 'test/support/report.mjs');

function summary(...reports: (object | undefined)[]): { lines: string[]; code: number } {
  const folder = temporaryFolder();
  const names = reports.map((report, i) => {
    const name = i === 0 ? 'report.json' : `report${i}.json`;
    if (report) writeFileSync(join(folder, name), JSON.stringify(report));
    return name;
  });
  const { stdout, code } = node([script, ...names], folder);
  return { lines: stdout.trimEnd().split('\n'), code };
}

const green = { numPassedTests: 12, numFailedTests: 0, numPendingTests: 3, numTodoTests: 0, success: true };
const file = (status: string, ...tests: string[]) => ({
  name: `${status}.test.ts`,
  status,
  assertionResults: tests.map((test) => ({ status: test })),
});

describe('the closing line of a test run', () => {
  it('counts what the report counts', () => {
    expect(summary({ ...green, testResults: [file('passed', 'passed', 'skipped')] })).toEqual({
      lines: ['12 passed, 0 failed, 3 skipped'],
      code: 0,
    });
  });

  it('fails with a failed test', () => {
    const report = { ...green, numFailedTests: 2, success: false, testResults: [file('failed', 'passed', 'failed')] };
    expect(summary(report)).toEqual({ lines: ['12 passed, 2 failed, 3 skipped'], code: 1 });
  });

  it.each([
    ['does not load', file('failed')],
    ['fails in its set-up', file('failed', 'skipped', 'skipped')],
  ])('counts a file that %s as failed', (_, broken) => {
    const report = { ...green, success: false, testResults: [file('passed', 'passed'), broken] };
    expect(summary(report)).toEqual({
      lines: ['failed outside its tests: failed.test.ts', '12 passed, 1 failed, 3 skipped'],
      code: 1,
    });
  });

  it('fails when nothing ran', () => {
    const report = { ...green, numPassedTests: 0, numPendingTests: 0, testResults: [] };
    expect(summary(report)).toEqual({ lines: ['0 passed, 0 failed, 0 skipped'], code: 1 });
  });

  it('fails when the runner does, whatever the counts', () => {
    expect(summary({ ...green, success: false, testResults: [] }).code).toBe(1);
  });

  it('adds up several runs, and each must be green', () => {
    const other = { ...green, numPassedTests: 1, testResults: [] };
    expect(summary({ ...green, testResults: [] }, other)).toEqual({
      lines: ['13 passed, 0 failed, 6 skipped'],
      code: 0,
    });
    for (const bad of [{ success: false }, { numPassedTests: 0 }, { numFailedTests: 1 }]) {
      expect(summary({ ...green, testResults: [] }, { ...other, ...bad }).code).toBe(1);
    }
    expect(summary({ ...green, testResults: [] }, undefined)).toEqual({
      lines: ['no test report at report1.json: the run ended before the tests did'],
      code: 1,
    });
  });

  it('says that there is no report, and gives no numbers', () => {
    expect(summary(undefined)).toEqual({
      lines: ['no test report at report.json: the run ended before the tests did'],
      code: 1,
    });
  });
});
