import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { brokenLinks, pagesAmong } from '../support/links.js';
import { isShell, shellProblems, snippets } from '../support/readme.js';
import { projectRoot } from '../support/source-modules.js';
import { trackedFiles } from '../support/tracked-files.js';

const read = (file: string) => readFileSync(`${projectRoot}${file}`, 'utf8');
const files = trackedFiles();
const pages = pagesAmong(files);
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };

describe('pages', () => {
  it('are found', () => {
    expect(pages).toEqual(
      expect.arrayContaining([
        'README.md',
        'CONTRIBUTING.md',
        'CHANGELOG.md',
        'docs/architecture.md',
        'docs/kernels.md',
      ]),
    );
  });

  it.each(pages)('%s refers to files and headings that exist', (page) => {
    expect(brokenLinks(page, read(page), files)).toEqual([]);
  });

  it.each(pages)('%s names commands that exist', (page) => {
    const blocks = snippets(read(page)).filter(isShell);
    expect(blocks.flatMap((snippet) => shellProblems(snippet, scripts))).toEqual([]);
    const named = [...read(page).matchAll(/`npm run ([\w:]+)/g)].map(([, script]) => script);
    expect(named.filter((script) => !(script in scripts))).toEqual([]);
  });

  it('CHANGELOG.md knows this version', () => {
    const { version } = JSON.parse(read('package.json'));
    expect(read('CHANGELOG.md')).toMatch(
      new RegExp(`^## \\[${version.replaceAll('.', '\\.')}\\] - \\d{4}-\\d\\d-\\d\\d$`, 'm'),
    );
  });
});

describe('brokenLinks', () => {
  it.each([
    ['docs/x.md', '[a](gone.md)', 'gone.md: no such file'],
    ['docs/x.md', '[a](../src/index.js)', '../src/index.js: no such file'],
    ['x.md', '![a](picture.png)', 'picture.png: no such file'],
    ['x.md', '[a](../README.md)', '../README.md: outside of the project'],
    ['x.md', '# One\n[a](#two)', '#two: no such heading'],
    ['x.md', 'see `src/gone.ts`', 'src/gone.ts: no such file'],
    ['x.md', 'see `calls/gone.ts` or `emm.ts`', 'calls/gone.ts: no such file', 'emm.ts: no such file'],
    ['x.md', '```text\nforward  ops/gone.ts\n```', 'ops/gone.ts: no such file'],
  ])('in %s: %s', (page, text, ...problems) => {
    expect(brokenLinks(page, text, files)).toEqual(problems);
  });

  it.each([
    ['docs/x.md', '[a](../src/index.ts) and `src/index.ts`, `src/core`'],
    ['x.md', '[a](README.md#install), [b](https://example.org/x.md)'],
    ['x.md', '## A *big* Heading: one, 2\n[a](#a-big-heading-one-2)'],
    ['x.md', '```text\n[a](gone.md) `src/gone.ts`\n```'],
    ['x.md', '`src/nn/*.ts`, `test/<name>`, `calls/products.ts`, `gemm.ts`, `dist/index.js`'],
    ['x.md', '```text\nforward  ops/rotary.ts, calls/*.ts\n```'],
  ])('not in %s: %s', (page, text) => {
    expect(brokenLinks(page, text, files)).toEqual([]);
  });
});
