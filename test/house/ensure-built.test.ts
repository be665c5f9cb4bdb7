import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Finished, node } from '../support/processes.js';
import { projectRoot } from '../support/source-modules.js';
import { temporaryFolder } from '../support/temporary.js';

// A project as small as the script allows: one local dependency, and a build that writes empty files and counts itself.
const PACKAGE = {
  name: 'small',
  version: '1.0.0',
  scripts: { build: 'node build.mjs' },
  dependencies: { dep: 'file:dep' },
};
const LOCK = {
  name: 'small',
  version: '1.0.0',
  lockfileVersion: 3,
  packages: {
    '': { name: 'small', version: '1.0.0', dependencies: { dep: 'file:dep' } },
    dep: { version: '1.0.0' },
    'node_modules/dep': { resolved: 'dep', link: true },
  },
};
const BUILD = `
import { appendFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
if (existsSync('src/broken.ts')) throw new Error('the source is broken');
appendFileSync('builds.log', 'built ');
for (const folder of ['dist', 'build/examples', 'build/bench']) mkdirSync(folder, { recursive: true });
for (const name of ['index.js', 'index.min.js', 'index.cjs', 'index.d.ts', 'index.d.cts']) writeFileSync('dist/' + name, '');
if (existsSync('examples/explain.ts')) writeFileSync('build/examples/explain.js', '');
`;

interface Project {
  readonly folder: string;
  readonly start: () => Finished;
  readonly write: (path: string, text: string, ageSeconds?: number) => void;
  readonly builds: () => number;
}

function project(): Project {
  const folder = temporaryFolder();
  const write = (path: string, text: string, ageSeconds = 0) => {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
    const time = Date.now() / 1000 - ageSeconds;
    utimesSync(join(folder, path), time, time);
  };
  write('package.json', JSON.stringify(PACKAGE), 100);
  write('package-lock.json', JSON.stringify(LOCK), 100);
  write('dep/package.json', '{ "name": "dep", "version": "1.0.0" }', 100);
  write('build.mjs', BUILD, 100);
  write('src/index.ts', 'export const x = 1;', 100);
  write('examples/explain.ts', '', 100);
  copyFileSync(join(projectRoot, 'examples/ensure-built.mjs'), join(folder, 'examples/ensure-built.mjs'));
  return {
    folder,
    write,
    start: () => node(['examples/ensure-built.mjs'], folder),
    builds: () =>
      existsSync(join(folder, 'builds.log'))
        ? readFileSync(join(folder, 'builds.log'), 'utf8').split(' ').length - 1
        : 0,
  };
}

describe('examples/ensure-built.mjs', () => {
  it('installs and builds in a fresh clone, then is quiet', () => {
    const { folder, start, builds } = project();
    const first = start();
    expect(first).toMatchObject({ code: 0, stdout: '' });
    expect(first.stderr.trim().split('\n')).toEqual([
      'node_modules is missing: npm ci --include=dev …',
      'dist/index.js is missing: npm run build …',
    ]);
    expect(existsSync(join(folder, 'node_modules/dep/package.json'))).toBe(true);
    expect(start()).toMatchObject({ code: 0, output: '' });
    expect(builds()).toBe(1);
  });

  it('builds again after a change, a deletion, a new program and a changed configuration', () => {
    const { folder, start, write, builds } = project();
    start();
    const later = -60; // one minute ahead, so that a fast test does not depend on the clock's resolution
    write('src/core/random.ts', 'export const y = 1;', later);
    expect(start().stderr).toContain('npm run build');
    rmSync(join(folder, 'src/core'), { recursive: true });
    utimesSync(join(folder, 'src'), Date.now() / 1000 + 60, Date.now() / 1000 + 60);
    expect(start().stderr).toBe('src is newer than the build: npm run build …\n');
    write('package.json', JSON.stringify(PACKAGE), later);
    expect(start().stderr).toContain('npm run build');
    write('bench/index.ts', '', 100);
    expect(start().stderr).toBe('build/bench/index.js is missing: npm run build …\n');
    expect(builds()).toBe(5);
  }, 120_000); // ten processes of npm: 8 s alone, above 30 beside three other test runs

  it('installs again when the lock file is newer', () => {
    const { start, write } = project();
    start();
    write('package-lock.json', JSON.stringify(LOCK), -60);
    expect(start().stderr).toContain('node_modules is older than package-lock.json: npm ci');
  });

  it('fails with what the build said', () => {
    const { start, write } = project();
    write('src/broken.ts', '');
    const { code, stderr } = start();
    expect(code).not.toBe(0);
    expect(stderr).toContain('the source is broken');
  });

  it('--check only says what is stale', () => {
    const { folder, start, builds } = project();
    const check = () => node(['examples/ensure-built.mjs', '--check'], folder);
    expect(check()).toMatchObject({ code: 1, stderr: 'node_modules is missing\n' });
    start();
    expect(check()).toMatchObject({ code: 0, output: '' });
    rmSync(join(folder, 'dist/index.d.cts'));
    expect(check()).toMatchObject({ code: 1, stderr: 'dist/index.d.cts is missing\n' });
    expect(builds()).toBe(1);
  });
});
