import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requireBuilt } from '../support/built.js';
import { installInto, type Packed, pack } from '../support/packed.js';
import { node } from '../support/processes.js';
import { projectRoot } from '../support/source-modules.js';
import { makeFolder, removeFolder } from '../support/temporary.js';

const folder = makeFolder();
const installed = join(folder, 'node_modules/qkv');
let packed: Packed;

beforeAll(() => {
  requireBuilt();
  packed = pack(folder);
  installInto(folder, packed.tarball);
});
afterAll(() => removeFolder(folder));

describe('the packed package', () => {
  it('holds what is meant and nothing else', () => {
    expect(packed.files).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'dist/index.cjs',
      'dist/index.d.cts',
      'dist/index.d.ts',
      'dist/index.js',
      'dist/index.min.js',
      'package.json',
    ]);
  });

  // What a file of the package is read for, it must hold: a reference to a map that is not there would make tools warn.
  it('refers to no source map', () => {
    for (const file of packed.files) {
      expect(readFileSync(join(installed, file), 'utf8'), file).not.toContain('sourceMappingURL');
    }
  });

  it('depends on nothing at run time', () => {
    const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
    for (const kind of ['dependencies', 'peerDependencies', 'optionalDependencies', 'bundledDependencies']) {
      expect(manifest[kind] ?? {}, kind).toEqual({});
    }
    const locked = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8'));
    expect(Object.keys(locked.packages)).toEqual(['', 'node_modules/qkv']);
  });

  it('runs nothing when it is installed', () => {
    const { scripts } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
    for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) expect(scripts).not.toHaveProperty(name);
  });

  it('imports nothing: no module of Node, no other package', () => {
    for (const file of ['index.js', 'index.min.js']) {
      const { importedFiles } = ts.preProcessFile(readFileSync(join(installed, 'dist', file), 'utf8'));
      expect(importedFiles, file).toEqual([]);
    }
    expect(readFileSync(join(installed, 'dist/index.cjs'), 'utf8')).not.toMatch(/\brequire\(/);
  });

  // From TypeScript 5.7 a typed array is generic; users of an older compiler cannot read `Float32Array<ArrayBuffer>`.
  it('has types that compilers before 5.7 can read', () => {
    for (const file of ['index.d.ts', 'index.d.cts']) {
      expect(
        readFileSync(join(installed, 'dist', file), 'utf8').match(/\w+Array<(Shared)?ArrayBuffer\w*>/g),
      ).toBeNull();
    }
  });

  it('names its minified module to the networks that serve packages to pages', () => {
    const { unpkg, jsdelivr } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
    expect([unpkg, jsdelivr]).toEqual(['./dist/index.min.js', './dist/index.min.js']);
  });

  it('passes publint', async () => {
    const { messages, pkg } = await publint({ pkgDir: installed, pack: false, level: 'suggestion', strict: true });
    expect(messages.map((message) => formatMessage(message, pkg, { color: false }))).toEqual([]);
  });

  it('passes attw in every way of resolving it', () => {
    const attw = join(projectRoot, 'node_modules/@arethetypeswrong/cli/dist/index.js');
    const { code, output } = node([attw, packed.tarball, '--no-definitely-typed', '--profile', 'strict'], folder);
    expect(code, output).toBe(0);
  });
});
