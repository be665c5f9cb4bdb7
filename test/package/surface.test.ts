import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { requireBuilt } from '../support/built.js';
import { declaredTypes } from '../support/declared-types.js';
import { projectRoot } from '../support/source-modules.js';

// The public surface, with the types that a user sees, is on a page: surface.txt. Growing or changing it is a decision;
// QKV_SURFACE=write writes the page anew, and its difference shows what was decided.
const PAGE = join(projectRoot, 'test/package/surface.txt');

const pageOf = (file: string) => `${declaredTypes(join(projectRoot, file))}\n`;

/** `kind name` of every export on the page that exists at run time. */
const values = () =>
  readFileSync(PAGE, 'utf8')
    .match(/^(?!type )\w+ \w+/gm)
    ?.sort();

/** `kind name` of every export of a module. */
function runtimeSurface(module: Record<string, unknown>): string[] {
  const entries = Object.entries(module).map(([name, value]) => {
    if (typeof value !== 'function') return `value ${name}`;
    return `${/^class\b/.test(Function.prototype.toString.call(value)) ? 'class' : 'function'} ${name}`;
  });
  return entries.sort();
}

describe('the public surface', () => {
  beforeAll(() => {
    requireBuilt();
    if (process.env.QKV_SURFACE === 'write') writeFileSync(PAGE, pageOf('dist/index.d.ts'));
  });

  it.each(['dist/index.d.ts', 'dist/index.d.cts'])('and its types, of %s', (file) => {
    expect(pageOf(file)).toBe(readFileSync(PAGE, 'utf8'));
  });

  it.each(['dist/index.js', 'dist/index.min.js'])('of the ES module %s', async (file) => {
    const module = await import(/* @vite-ignore */ pathToFileURL(join(projectRoot, file)).href);
    expect(runtimeSurface(module)).toEqual(values());
  });

  it('of the CommonJS module', () => {
    const module = createRequire(import.meta.url)(join(projectRoot, 'dist/index.cjs'));
    expect(runtimeSurface(module)).toEqual(values());
  });
});
