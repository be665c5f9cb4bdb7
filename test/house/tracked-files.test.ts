import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { projectRoot } from '../support/source-modules.js';
import { trackedFiles } from '../support/tracked-files.js';

/** An absolute path of somebody's machine; the path of a web address has a host before it. */
const MACHINE_PATH = /(?<![\w.~-])\/(home|root|tmp|work|mnt|Users|private)\/[A-Za-z]|\b[A-Z]:\\Users\\/;

/** A test that runs alone, or one that never runs. A condition in full view, skipIf, is allowed. */
const WEAK_TEST = /\b(it|test|describe|suite)(\.\w+)*\.(only|skip|todo|fails)\b(?!If)|\b[fx](it|describe)\(/;

/** `line: text` of every line that matches. */
function findings(pattern: RegExp, text: string): string[] {
  return text.split('\n').flatMap((line, i) => (pattern.test(line) ? [`${i + 1}: ${line.trim()}`] : []));
}

function findingsIn(files: readonly string[], pattern: RegExp): string[] {
  return files.flatMap((file) =>
    findings(pattern, readFileSync(`${projectRoot}${file}`, 'utf8')).map((line) => `${file}:${line}`),
  );
}

describe('tracked files', () => {
  const files = trackedFiles();
  const code = files.filter((file) => /\.(ts|mts|mjs|js)$/.test(file));

  it('are found', () => {
    expect(files).toEqual(expect.arrayContaining(['package.json', '.ci/run', 'src/index.ts', 'LICENSE']));
    expect(files.filter((file) => file.startsWith('node_modules/'))).toEqual([]);
  });

  it('hold no path of a machine', () => {
    expect(findingsIn(files, MACHINE_PATH)).toEqual([]);
  });

  it('hold no test that runs alone or never', () => {
    expect(findingsIn(code, WEAK_TEST)).toEqual([]);
  });
});

describe('the search finds what is planted', () => {
  // Put together here, so that this file holds none itself.
  it.each([
    ['/home', '/ann/qkv'],
    ['"/tmp', '/x.json"'],
    ['file:///Users', '/ann'],
    ['C:', '\\Users\\ann'],
  ])('a machine path: %s%s', (start, rest) => {
    expect(findings(MACHINE_PATH, `a\nb ${start}${rest}`)).toHaveLength(1);
  });

  it.each(['https://example.org/home/page', 'src/work/x.ts', '../shared/tmp/x'])('not a machine path: %s', (text) => {
    expect(findings(MACHINE_PATH, text)).toEqual([]);
  });

  it.each([
    ['it', '.only('],
    ['describe', '.concurrent.skip('],
    ['test', '.todo('],
    ['  x', "it('a')"],
    ['f', "describe('a')"],
  ])('a weak test: %s%s', (start, rest) => {
    expect(findings(WEAK_TEST, `${start}${rest}`)).toHaveLength(1);
  });

  it.each(['describe.skipIf(absent)(', 'it.each(cases)(', 'exit(1)', 'options.only('])(
    'not a weak test: %s',
    (text) => {
      expect(findings(WEAK_TEST, text)).toEqual([]);
    },
  );
});
