import { mkdirSync, writeFileSync } from 'node:fs';
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

/** Compiles one file as a strict user does, who also checks the declarations and has no types of Node or the DOM. */
function compile(file: string, text: string, moduleResolution: 'bundler' | 'nodenext'): Finished {
  const project = join(folder, `typed-${moduleResolution}`);
  mkdirSync(project, { recursive: true });
  const compilerOptions = {
    module: moduleResolution === 'bundler' ? 'esnext' : 'nodenext',
    moduleResolution,
    target: 'es2022',
    lib: ['es2022'],
    types: [],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    noEmit: true,
  };
  writeFileSync(join(project, file), text);
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [file] }));
  return node([join(projectRoot, 'node_modules/typescript/bin/tsc'), '-p', project], folder);
}

describe('types for a user of TypeScript', () => {
  it.each([
    ['use.ts', 'bundler'],
    ['use.mts', 'nodenext'],
    ['use.cts', 'nodenext'],
  ] as const)('%s with moduleResolution %s', (file, moduleResolution) => {
    expect(compile(file, TYPED, moduleResolution)).toMatchObject({ code: 0, output: '' });
  });

  it.each(WRONG)('find %s', (_, line) => {
    const { code, output } = compile('wrong.mts', `${TYPED}\n${line}\n`, 'nodenext');
    expect(code).not.toBe(0);
    // One mistake, one message: all of them speak of the planted line.
    const wrongLine = TYPED.split('\n').length + 1;
    expect(output.match(/wrong\.mts\(\d+/g)).toEqual([`wrong.mts(${wrongLine}`]);
  });
});
