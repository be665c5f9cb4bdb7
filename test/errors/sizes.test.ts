import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { expect, it } from 'vitest';
import { node } from '../support/processes.js';
import { projectRoot } from '../support/source-modules.js';
import { temporaryFolder } from '../support/temporary.js';

// A size that cannot be is refused before anything of it is made: in a process of little memory each call below either
// throws at once, or ends the process (no memory for so many objects) or this test (by its time).
const CALLS = `
  const { Matrix } = qkv;
  const MODEL = { vocabularySize: 6, dModel: 4, numLayers: 2, numHeads: 2 };
  const model = new qkv.CausalLM({ ...MODEL, numLayers: 4 });
  const attention = new qkv.MultiHeadAttention({ dModel: 4, numHeads: 2 });
  const wide = new qkv.MultiHeadAttention({ dModel: 64, numHeads: 2 });
  const none = new Matrix(0, 0);
  const rows = new Matrix(2 ** 31 - 1, 0);
  const columns = new Matrix(0, 2 ** 31 - 1);
  const q = new Matrix(2, 4);
  const claims = (length) => ({ length, [length - 1]: 2 });
  export const CALLS = {
    ...Object.fromEntries([1e7, 1e8, 1e9, 2 ** 31 - 1, 2 ** 31, 2 ** 53 - 1].flatMap((n) => [
      ['MultiHeadAttention of ' + n + ' heads', () => new qkv.MultiHeadAttention({ numHeads: n, dK: 1, dModel: 1 })],
      ['MultiHeadAttention, alibi, of ' + n + ' heads', () => new qkv.MultiHeadAttention({ numHeads: n, dK: 1, dModel: 1, alibi: true, sinks: true })],
      ['SelfAttention of ' + n + ' heads', () => new qkv.SelfAttention({ numHeads: n, dK: 1, dModel: 1, alibi: true })],
      ['SelfAttention of heads ' + n + ' wide', () => new qkv.SelfAttention({ dModel: 1, dK: n * 100 })],
      ['TransformerBlock of ' + n + ' heads', () => new qkv.TransformerBlock({ numHeads: n, dK: 1, dModel: 1, dHidden: 1 })],
      ['CausalLM of ' + n + ' heads', () => new qkv.CausalLM({ ...MODEL, numHeads: n, dK: 1 })],
      ['CausalLM of ' + n + ' layers', () => new qkv.CausalLM({ ...MODEL, numLayers: n })],
      ['CausalLM of ' + n + ' tokens', () => new qkv.CausalLM({ ...MODEL, dModel: 128, vocabularySize: n })],
      ['CausalLM of ' + n + ' positions', () => new qkv.CausalLM({ ...MODEL, dModel: 128, capacity: n, positions: 'learned' })],
      ['FeedForward of ' + n, () => new qkv.FeedForward({ dModel: 100, dHidden: n })],
      ['Linear of ' + n, () => new qkv.Linear(100, n)],
      ['Embedding of ' + n, () => new qkv.Embedding(n, 100)],
      ['LearnedPositions of ' + n, () => new qkv.LearnedPositions(n, 100)],
      ['KVCache of ' + n, () => new qkv.KVCache({ capacity: n, dK: 64 })],
      ['createCache of ' + n, () => wide.createCache({ capacity: n })],
      ['rotary of ' + n + ' heads', () => qkv.rotary(new Matrix(5, 0), { numHeads: n })],
      ['attention of ' + n + ' heads', () => qkv.scaledDotProductAttention(none, none, none, { numHeads: n, alibi: true })],
      ['attentionLogSumExp of ' + n + ' heads', () => qkv.attentionLogSumExp(none, none, { numHeads: n })],
      ['attentionWeights of ' + n + ' heads', () => qkv.attentionWeights(none, none, { numHeads: n })],
    ])),
    'Linear of 600 million': () => new qkv.Linear(3e4, 2e4),
    'a model of two halves': () => new qkv.CausalLM({ ...MODEL, vocabularySize: 1e8 }),
    'a model of many middling layers': () => new qkv.CausalLM({ ...MODEL, dModel: 512, numLayers: 1000 }),
    'createCaches': () => model.createCaches({ capacity: 5e7 }),
    'generate': () => model.generate(new Uint8Array(5e6), { maxTokens: 1 }),
    'heads asked for': () => attention.attentionWeights(q, { heads: new Uint8Array(5e6) }),
    'heads and sequences': () => qkv.attentionWeights(none, none, { numHeads: 100, cuSeqlens: new Uint8Array(1e5) }),
    'sequences': () => qkv.unpack(none, new Uint8Array(5e6)),
    'claimed cuSeqlens': () => qkv.scaledDotProductAttention(q, q, q, { cuSeqlens: claims(2 ** 40) }),
    'claimed cuSeqlens, fewer': () => qkv.scaledDotProductAttention(q, q, q, { cuSeqlens: claims(2 ** 31 - 1) }),
    'claimed lengths': () => qkv.cuSeqlensFromLengths(claims(2 ** 40)),
    'claimed lengths, fewer': () => qkv.cuSeqlensFromLengths(claims(2 ** 31 - 1)),
    'claimed ids': () => model.forward(claims(2 ** 40)),
    'a mask': () => qkv.scaledDotProductAttention(new Matrix(2 ** 20, 0), new Matrix(2 ** 20, 0), new Matrix(2 ** 20, 0), { mask: new Array(2 ** 20) }),
    'sinusoidalPositions': () => qkv.sinusoidalPositions(2 ** 31 - 1, 2),
    'randomNormal': () => Matrix.randomNormal(2 ** 31, 1),
    'randomNormal with a wrong option': () => Matrix.randomNormal(2 ** 14, 2 ** 14, { std: -1 }),
    'randomUniform with a wrong option': () => Matrix.randomUniform(2 ** 14, 2 ** 14, { low: 2 }),
    'toArray of rows': () => rows.toArray(),
    'toArray of columns': () => new Matrix(1, 2 ** 27 + 1).toArray(),
    ...Object.fromEntries(['heatmapAnsi', 'heatmapSvg', 'toBertViz'].flatMap((name) => [
      [name + ' of rows', () => qkv[name](rows)],
      [name + ' of columns', () => qkv[name](columns)],
      [name + ' of maps', () => qkv[name](new Array(200).fill(new Matrix(400, 400)))],
    ])),
  };
`;

const RUN = `
  import { CALLS } from './calls.mjs';
  // What the caller makes himself is not counted, nor a copy of as many offsets.
  const OWN = ['toArray of columns', 'a mask', 'generate', 'heads asked for', 'heads and sequences', 'sequences', 'heatmapAnsi of maps', 'heatmapSvg of maps', 'toBertViz of maps'];
  let inArrays = 0;
  for (const name of ['Float32Array', 'Float64Array', 'Int32Array', 'Uint8Array']) {
    const Made = globalThis[name];
    globalThis[name] = new Proxy(Made, {
      construct(target, [size, ...rest], made) {
        if (typeof size === 'number') inArrays += size;
        return Reflect.construct(target, [size, ...rest], made);
      },
    });
  }
  const found = {};
  for (const [name, call] of Object.entries(CALLS)) {
    inArrays = 0;
    let text = 'nothing';
    try { call(); } catch (error) { text = error.name + ': ' + error.message; }
    found[name] = [text, OWN.includes(name) ? 0 : inArrays];
  }
  console.log(JSON.stringify(found));
`;

it('sizes are refused before work starts', async () => {
  const folder = temporaryFolder();
  await build({
    stdin: {
      contents: `import * as qkv from './src/index.ts'; ${CALLS}`,
      resolveDir: projectRoot,
    },
    bundle: true,
    outfile: join(folder, 'calls.mjs'),
    format: 'esm',
    platform: 'neutral',
    tsconfigRaw: {},
  });
  writeFileSync(join(folder, 'run.mjs'), RUN);
  const { code, stdout, stderr } = node(['--max-old-space-size=160', 'run.mjs'], folder);
  expect(code, stderr.slice(0, 2000)).toBe(0);
  const found = Object.entries(JSON.parse(stdout) as Record<string, [text: string, entries: number]>);
  expect(found.length).toBeGreaterThan(140);
  const wrong = found.filter(([, [text]]) => !/^(ShapeError|TypeError): [\w.]+: .* must .*: .*/.test(text));
  expect(wrong).toEqual([]);
  const greedy = found.filter(([, [, entries]]) => entries > 1000);
  expect(greedy).toEqual([]);
});
