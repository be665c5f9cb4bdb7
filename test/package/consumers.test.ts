import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requireBuilt } from '../support/built.js';
import { installInto, pack } from '../support/packed.js';
import { type Finished, node } from '../support/processes.js';
import { projectRoot } from '../support/source-modules.js';
import { makeFolder, removeFolder } from '../support/temporary.js';

// Projects of users: they have the packed package, nothing else, and their own settings.

const folder = makeFolder();

beforeAll(() => {
  requireBuilt();
  installInto(folder, pack(folder).tarball);
});
afterAll(() => removeFolder(folder));

// softmax([1/√2, 0]) · I: the first weight is e^(1/√2) / (e^(1/√2) + 1) = 0.6697615…
const USE = `
const q = Matrix.from([[1, 0]]);
const k = Matrix.identity(2);
process.stdout.write(scaledDotProductAttention(q, k, k).get(0, 0).toFixed(6));
`;

function runFile(name: string, text: string): Finished {
  writeFileSync(join(folder, name), text);
  return node([name], folder);
}

describe('a program of a user', () => {
  it('imports the package', () => {
    const result = runFile('use.mjs', `import { Matrix, scaledDotProductAttention } from 'qkv';${USE}`);
    expect(result).toMatchObject({ code: 0, stdout: '0.669762', stderr: '' });
  });

  it('requires the package', () => {
    const result = runFile('use.cjs', `const { Matrix, scaledDotProductAttention } = require('qkv');${USE}`);
    expect(result).toMatchObject({ code: 0, stdout: '0.669762', stderr: '' });
  });

  // As a page does that has no bundler: the text of the one file that package.json names to a CDN, from an address.
  it('imports the minified module by its URL alone', () => {
    const text = readFileSync(join(folder, 'node_modules/qkv/dist/index.min.js'), 'utf8');
    expect(text.split('\n')[0]).toMatch(/^\/\*! qkv \d+\.\d+\.\d+ \| MIT license \*\/$/);
    const url = `data:text/javascript;base64,${Buffer.from(text).toString('base64')}`;
    const result = runFile('page.mjs', `const { Matrix, scaledDotProductAttention } = await import('${url}');${USE}`);
    expect(result).toMatchObject({ code: 0, stdout: '0.669762', stderr: '' });
  });

  it('reads its package.json', () => {
    const text = "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);\n";
    const result = runFile('version.mjs', `${text}process.stdout.write(require('qkv/package.json').name);`);
    expect(result).toMatchObject({ code: 0, stdout: 'qkv' });
  });

  it('cannot reach the inside', () => {
    const { code, stderr } = runFile('inside.mjs', "import 'qkv/dist/index.js';");
    expect(code).not.toBe(0);
    expect(stderr).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED');
  });
});

const TYPED = `
import { type AttentionOptions, Matrix, Module, MultiHeadAttention, Parameter, ShapeError } from 'qkv';

const options: AttentionOptions = { numHeads: 2, causal: true, window: [4, 0] };
const attention: MultiHeadAttention = new MultiHeadAttention({ dModel: 8, numHeads: options.numHeads ?? 1 });
const x: Matrix = Matrix.zeros(3, 8);
const y: Matrix = attention.forward(x);
export const data: Float32Array = y.data;
export const rows: number[][] = y.toArray();
export const heads: Matrix[] = attention.attentionWeights(x);
export const isRange: RangeError = new ShapeError('x');

export class Scale extends Module {
  readonly gain = new Parameter(1, 8);
  forward(input: Matrix): Matrix {
    return input.multiply(this.gain);
  }
}
`;

const WRONG: [what: string, line: string][] = [
  ['an option that does not exist', 'export const o: AttentionOptions = { numHead: 2 };'],
  ['a name that does not exist', "import { Attention } from 'qkv';"],
  ['a result of the wrong kind', 'export const n: number = Matrix.zeros(1, 1);'],
  ['an argument of the wrong kind', "Matrix.zeros('1', 1);"],
];

/** Where numbers go out of a program: all of these ask for arrays whose buffer is not shared, from TypeScript 5.9 on. */
const WEB = `
import { attentionLogSumExp, cuSeqlensFromLengths, Linear, maskFromTorchMHA, Matrix, pack, Parameter } from 'qkv';
import { readSafetensors, type StoredTensor, valueAndGrad, writeSafetensors } from 'qkv';

const layer = new Linear(2, 3, { bias: true });
const bytes = writeSafetensors(layer.stateDict(), { format: 'qkv' });
const y: Matrix = layer.forward(Matrix.zeros(2, 2));
export const blob = new Blob([bytes, y.data, y.row(0), y.argmax(), attentionLogSumExp(y, y).data]);
export const file = new File([bytes], 'model.safetensors');
export const sent = fetch('https://example.org/model', { method: 'PUT', body: bytes });
export const digest = crypto.subtle.digest('SHA-256', bytes);
export const digests = [...layer.stateDict().values()].map(({ data }) => crypto.subtle.digest('SHA-256', data));
export const url: string = URL.createObjectURL(new Blob([bytes]));
export const response = new Response(bytes);
postMessage(bytes, { transfer: [bytes.buffer] });
postMessage(y.data, { transfer: [y.data.buffer] });
new WebSocket('wss://example.org').send(y.data);
for (const { data } of readSafetensors(bytes).values()) new Blob([data]);
new Blob([pack([y]).cuSeqlens, cuSeqlensFromLengths([1]), maskFromTorchMHA([[true]])]);
const found = valueAndGrad(() => layer.forward(y.sliceColumns(0, 2)).sum()).gradients.get(layer.W);
if (found) new Blob('values' in found ? [found.rows, found.values.data] : [found.data]);

// What takes arrays takes any.
export const wrapped = new Matrix(2, 3, new Float32Array(new SharedArrayBuffer(24)));
const given: Float32Array = y.data;
const tensor: StoredTensor = { dtype: 'F32', shape: [2, 3], data: given };
export const again: Uint8Array = writeSafetensors(new Map([['y', tensor]]));
let h: Matrix = y;
h = layer.W;
h = new Parameter(2, 3, h.data);
export const matrices: Matrix[] = [h, ...layer.parameters()];
export const numbers: Float32Array[] = [h.data, layer.W.data, y.row(1)];
`;

/** A parameter may lie in shared memory. */
const SHARED = `${WEB}\nexport const blobs = [new Blob([layer.W.data.slice()]), new Blob([layer.W.data])];\n`;

const WITH_DOM = ['es2022', 'dom', 'dom.iterable'];

/** Of a test with two compilations: each takes 2 s of an idle core, and tests share theirs. */
const TIMEOUT_MS = 120_000;

const COMPILERS = ['typescript-5.0', 'typescript-5.4', 'typescript-5.9', 'typescript'] as const;

/** Compiles files as a strict user does, who also checks the declarations and has no types of Node; nor of the web, unless asked. */
function compile(
  files: Record<string, string>,
  moduleResolution: 'bundler' | 'nodenext' | 'node16',
  { compiler = 'typescript', lib = ['es2022'] }: { compiler?: string; lib?: string[] } = {},
): Finished {
  const project = join(folder, `typed-${compiler}-${moduleResolution}-${lib.join('-')}`);
  mkdirSync(project, { recursive: true });
  const compilerOptions = {
    module: moduleResolution === 'bundler' ? 'esnext' : moduleResolution,
    moduleResolution,
    target: 'es2022',
    lib,
    types: [],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    noEmit: true,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(project, name), text);
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: Object.keys(files) }));
  return node([join(projectRoot, 'node_modules', compiler, 'bin/tsc'), '-p', project], folder);
}

describe.each(COMPILERS)('types for a user of %s', (compiler) => {
  // A file of each kind of module, with the types of the web and, for who has none, without.
  it.each([
    ['bundler', ['.ts']],
    ['nodenext', ['.mts', '.cts']],
    ['node16', ['.mts', '.cts']],
  ] as const)(
    'with moduleResolution %s',
    (moduleResolution, kinds) => {
      const plain = Object.fromEntries(kinds.map((kind) => [`use${kind}`, TYPED]));
      const web = Object.fromEntries(kinds.map((kind) => [`web${kind}`, WEB]));
      expect(compile(plain, moduleResolution, { compiler })).toMatchObject({ code: 0, output: '' });
      const files = { ...plain, ...web };
      expect(compile(files, moduleResolution, { compiler, lib: WITH_DOM })).toMatchObject({ code: 0, output: '' });
    },
    TIMEOUT_MS,
  );

  it(
    'say that the numbers of a parameter may be shared, where the compiler can',
    () => {
      const { output } = compile({ 'shared.mts': SHARED }, 'nodenext', { compiler, lib: WITH_DOM });
      const line = SHARED.split('\n').length - 1;
      const canTell = !['typescript-5.0', 'typescript-5.4'].includes(compiler);
      expect(output.match(/shared\.mts\(\d+,\d+/g) ?? []).toEqual(canTell ? [`shared.mts(${line},67`] : []);
    },
    TIMEOUT_MS,
  );
});

describe('types for a user of TypeScript', () => {
  it.each(WRONG)('find %s', (_, line) => {
    const { code, output } = compile({ 'wrong.mts': `${TYPED}\n${line}\n` }, 'nodenext');
    expect(code).not.toBe(0);
    // One mistake, one message: all of them speak of the planted line.
    const wrongLine = TYPED.split('\n').length + 1;
    expect(output.match(/wrong\.mts\(\d+/g)).toEqual([`wrong.mts(${wrongLine}`]);
  });
});
