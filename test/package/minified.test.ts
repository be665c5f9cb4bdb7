import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { build } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';
import type * as callable from '../calls/callable.js';
import type * as calls from '../calls/registry.js';
import type * as page from '../errors/page.js';
import { requireBuilt } from '../support/built.js';
import { projectRoot } from '../support/source-modules.js';
import { makeFolder, removeFolder } from '../support/temporary.js';

// Bundlers rename classes and functions. What the library says must not change with that: the same mistakes as against the
// source, in one bundle with the package as it is published, as a user's bundler makes it.

interface Bundle {
  qkv: typeof import('qkv');
  page: typeof page;
  callable: typeof callable;
  calls: typeof calls;
}

const ENTRY = `
  export * as qkv from 'qkv';
  export * as page from './test/errors/page.js';
  export * as callable from './test/calls/callable.js';
  export * as calls from './test/calls/registry.js';
`;

async function bundled(folder: string, minify: boolean): Promise<Bundle> {
  const outfile = join(folder, 'bundle.mjs');
  const { metafile } = await build({
    stdin: { contents: ENTRY, resolveDir: projectRoot },
    bundle: true,
    minify,
    outfile,
    format: 'esm',
    platform: 'node',
    metafile: true,
    tsconfigRaw: {},
    plugins: [
      {
        name: 'the package instead of its source',
        setup({ onResolve }) {
          onResolve({ filter: /^qkv$|\/src\/index\.js$/ }, () => ({ path: join(projectRoot, 'dist/index.js') }));
        },
      },
    ],
  });
  const used = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.entries(inputs));
  const ofSource = used.filter(([file, { bytesInOutput }]) => /^src\//.test(file) && bytesInOutput > 0);
  expect(ofSource.map(([file]) => file)).toEqual([]); // two copies would not know each other
  return import(pathToFileURL(outfile).href);
}

describe.each([
  ['minified', true],
  ['bundled', false],
])('the package, %s', (_, minify) => {
  let bundle: Bundle;
  beforeAll(async () => {
    requireBuilt();
    const folder = makeFolder();
    bundle = await bundled(folder, minify).finally(() => removeFolder(folder));
  });

  it('answers every mistake in the same words', () => {
    const { mistakesOn, answerTo } = bundle.page;
    const mistakes = mistakesOn(readFileSync(join(projectRoot, 'test/errors/messages.txt'), 'utf8'));
    expect(mistakes.length).toBeGreaterThan(400);
    const answers = (of: (mistake: page.Mistake) => string) => mistakes.map((one) => `${one.call}: ${of(one)}`);
    expect(answers(answerTo)).toEqual(answers(({ answer }) => answer));
  });

  it('has classes that say the names they are exported under', () => {
    const classes = Object.entries(bundle.qkv).filter(([, value]) => /^class\b/.test(String(value)));
    expect(classes.length).toBeGreaterThanOrEqual(19);
    for (const [name, value] of classes) expect((value as { name: string }).name).toBe(name);
  });

  it('is printed under these names, to the last part', () => {
    const { GOOD_CALLS } = bundle.calls;
    const { invoke } = bundle.callable;
    const { CausalLM, Gradients, Linear, Matrix, Module, ShapeError, TransformerBlock, valueAndGrad } = bundle.qkv;
    const built = Object.keys(GOOD_CALLS).filter((name) => name.startsWith('new '));
    for (const name of built) {
      const text = inspect(invoke(name, GOOD_CALLS[name]()), { depth: 0 });
      expect(text).toMatch(new RegExp(`^${name.slice('new '.length)}\\b`));
    }
    expect(inspect(valueAndGrad(() => new Matrix(1, 1).sum()).gradients)).toMatch(/^Gradients \{/);
    expect(inspect(new Module())).toBe('Module');
    expect(inspect(new ShapeError('f: x must be 1: got 2'))).toMatch(/^ShapeError\b/);
    expect([CausalLM, Gradients, Linear, TransformerBlock].map((made) => inspect(made).split(' ')[1])).toEqual(
      ['CausalLM', 'Gradients', 'Linear', 'TransformerBlock'].map((name) => expect.stringContaining(name)),
    );
    const model = new CausalLM({ vocabularySize: 3, dModel: 2, numLayers: 1, numHeads: 1, norm: 'rms' });
    const parts = inspect(model).match(/(?<=^|: |× )[A-Z]\w+/gm);
    expect([...new Set(parts)].sort()).toEqual([
      'CausalLM',
      'Dropout',
      'Embedding',
      'FeedForward',
      'Linear',
      'MultiHeadAttention',
      'RMSNorm',
      'TransformerBlock',
    ]);
  });

  it("says of a user's class the name of the nearest class that names itself", () => {
    const { Linear, Module } = bundle.qkv;
    class Block extends Module {}
    class Wide extends Linear {}
    const load = (module: InstanceType<typeof Module>) => () => module.loadStateDict(new Map([['x', null as never]]));
    expect(load(new Block())).toThrow(/^Module.loadStateDict: /);
    expect(load(new Wide(1, 1))).toThrow(/^Linear.loadStateDict: /);
  });
});
