import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { foldersOpen, IMPORT_RULES, missingTests } from '../support/house-rules.js';
import { parseModule, projectRoot, readSource, type SourceModule } from '../support/source-modules.js';

const source = readSource();

describe('the source keeps the rules of the house', () => {
  it('is found', () => {
    expect(source.map(({ file }) => file)).toEqual(
      expect.arrayContaining(['index.ts', 'matrix/matrix.ts', 'core/errors.ts']),
    );
    expect(source.flatMap(({ imports }) => imports).length).toBeGreaterThan(source.length);
  });

  it.each(Object.keys(IMPORT_RULES))('%s', (rule) => {
    expect(IMPORT_RULES[rule](source)).toEqual([]);
  });

  it('every folder opens with what it may know', () => {
    expect(foldersOpen(source)).toEqual([]);
  });

  it('every file with something to run has a test of its name', () => {
    const names = readdirSync(`${projectRoot}test`, { recursive: true, encoding: 'utf8' });
    expect(missingTests(source, new Set(names.map((name) => name.replaceAll('\\', '/'))))).toEqual([]);
  });
});

/** Modules from their texts; every file that they import exists too, empty. */
function house(texts: Record<string, string>): SourceModule[] {
  const modules = Object.entries(texts).map(([file, text]) => parseModule(file, text));
  const named = modules.flatMap(({ imports }) => imports.flatMap(({ target }) => (target ? [target] : [])));
  const others = [...new Set(named)].filter((file) => !(file in texts));
  return [...modules, ...others.map((file) => parseModule(file, ''))];
}

describe('each rule finds a planted violation, and only that rule', () => {
  const planted: [rule: string, file: string, text: string][] = [
    ['importsResolve', 'io/checkpoint.ts', "import { readFileSync } from 'node:fs';"],
    ['importsResolve', 'nn/linear.ts', "const load = () => import('left-pad');"],
    ['importsResolve', 'nn/linear.ts', 'const load = (name: string) => import(name);'],
    ['importsResolve', 'kernels/wasm/load.ts', "import binaryen from 'binaryen';"],
    ['layersPointDown', 'core/random.ts', "import { Matrix } from '../matrix/matrix.js';"],
    ['layersPointDown', 'core/random.ts', "import type { Kernels } from '../kernels/contract.js';"],
    ['layersPointDown', 'kernels/reference/gemm.ts', "import type { Matrix } from '../../matrix/matrix.js';"],
    ['layersPointDown', 'matrix/matrix.ts', "let x: import('../ops/attention.js').AttentionOptions;"],
    ['layersPointDown', 'matrix/tape.ts', "import type { Gradients } from '../autograd/gradients.js';"],
    ['layersPointDown', 'loose.ts', 'export const x = 1;'],
    ['layersPointDown', 'ops/attention.ts', "import { Linear } from '../nn/linear.js';"],
    ['layersPointDown', 'nn/linear.ts', "import { ShapeError } from '../index.js';"],
    ['layersPointDown', 'nn/linear.ts', "const later = () => import('../train/adam.js');"],
    ['layersPointDown', 'utils/misc.ts', 'export const x = 1;'],
    ['siblingsDoNotMeet', 'train/adam.ts', "import { readSafetensors } from '../io/safetensors.js';"],
    ['siblingsDoNotMeet', 'inspect/heatmap.ts', "import type { Adam } from '../train/adam.js';"],
    ['noCycles', 'nn/a.ts', "import type { B } from './a.js';"],
    ['onlyOpsCallKernels', 'nn/linear.ts', "import { kernels } from '../kernels/state.js';"],
    ['onlyOpsCallKernels', 'inspect/heatmap.ts', "import { kernels } from '../kernels/state.js';"],
    ['onlyOpsCallKernels', 'train/adam.ts', "import { type Kernels, kernels } from '../kernels/state.js';"],
    ['onlyOpsCallKernels', 'train/adam.ts', "import '../kernels/state.js';"],
    ['onlyOpsCallKernels', 'index.ts', "export { reference } from './kernels/reference/kernels.js';"],
    ['twinsStandAlone', 'kernels/wasm/kernels.ts', "import { gemm } from '../reference/gemm.js';"],
    ['twinsStandAlone', 'kernels/wasm/kernels.ts', "import { emitGemm } from './emit/gemm.js';"],
    ['noDefaultsNoBarrels', 'nn/linear.ts', 'export default class Linear {}'],
    ['noDefaultsNoBarrels', 'nn/linear.ts', 'class Linear {}\nexport { Linear as default };'],
    ['noDefaultsNoBarrels', 'nn/linear.ts', 'class Linear {}\nexport default Linear;'],
    ['noDefaultsNoBarrels', 'nn/all.ts', "export { Linear } from './linear.js';"],
    ['noDefaultsNoBarrels', 'nn/all.ts', "export type { LinearOptions } from './linear.js';"],
    ['noDefaultsNoBarrels', 'index.ts', "export * from './matrix/matrix.js';"],
    ['noDefaultsNoBarrels', 'index.ts', "export const version = '1';"],
    ['noConsole', 'nn/linear.ts', "console.warn('slow');"],
    ['noConsole', 'nn/linear.ts', 'const { log } = console;'],
    ['entriesAreForKernels', 'nn/linear.ts', 'const f = (x: Matrix) => x.data[0];'],
    ['entriesAreForKernels', 'autograd/gradients.ts', 'const f = ({ data }: Matrix) => { data[1] = 0; };'],
    [
      'entriesAreForKernels',
      'train/clip.ts',
      'const f = ({ data: values }: Matrix) => values.reduce((a, b) => a + b);',
    ],
    [
      'entriesAreForKernels',
      'io/checkpoint.ts',
      'const f = (x: Matrix) => { const numbers = x.data; return [...numbers]; };',
    ],
    ['entriesAreForKernels', 'ops/losses.ts', 'const f = (x: Matrix, y: Floats) => y.set(x.data as Floats);'],
    [
      'entriesAreForKernels',
      'inspect/labels.ts',
      'const f = (x: Matrix) => { for (const entry of (x.data)) g(entry); };',
    ],
  ];

  it.each(planted)('%s: %s: %s', (rule, file, text) => {
    const modules = house({ [file]: text });
    const broken = Object.keys(IMPORT_RULES).filter((name) => IMPORT_RULES[name](modules).length > 0);
    expect(broken).toEqual([rule]);
    expect(IMPORT_RULES[rule](modules)[0]).toContain(`${file}: `);
  });

  it('an import of a file that does not exist', () => {
    const modules = [parseModule('nn/linear.ts', "import { x } from './gone.js';")];
    expect(IMPORT_RULES.importsResolve(modules)).toEqual(['nn/linear.ts: imports ./gone.js, which is no file of src']);
  });

  it('an import without .js', () => {
    const modules = [parseModule('nn/linear.ts', "import { x } from './shapes';"), parseModule('nn/shapes.ts', '')];
    expect(IMPORT_RULES.importsResolve(modules)).toEqual(['nn/linear.ts: imports ./shapes, which does not end in .js']);
  });

  it('a file of 321 lines, but not one of 320', () => {
    const lines = (count: number) => [parseModule('nn/linear.ts', 'const x = 1;\n'.repeat(count))];
    expect(IMPORT_RULES.filesAreShort(lines(321))).toEqual(['nn/linear.ts: has 321 lines, more than 320']);
    expect(IMPORT_RULES.filesAreShort(lines(320))).toEqual([]);
  });

  it('a cycle through three files, reported once', () => {
    const modules = house({
      'nn/a.ts': "import { b } from './b.js';",
      'nn/b.ts': "import { c } from './c.js';",
      'nn/c.ts': "import { b } from './b.js';\nimport { Matrix } from '../matrix/matrix.js';",
    });
    expect(IMPORT_RULES.noCycles(modules)).toEqual(['nn/b.ts: imports itself: nn/b.ts → nn/c.ts → nn/b.ts']);
  });
});

describe('what the rules allow', () => {
  it.each([
    ['matrix/matrix.ts', "import { kernels } from '../kernels/state.js';"],
    ['autograd/value-and-grad.ts', "import { kernels } from '../kernels/state.js';"],
    ['ops/attention.ts', "import { kernels } from '../kernels/state.js';"],
    ['nn/linear.ts', "import type { Kernels } from '../kernels/contract.js';"],
    ['nn/linear.ts', "import { type Kernels } from '../kernels/contract.js';"],
    ['index.ts', "export { setKernels, type KernelChoice } from './kernels/state.js';"],
    ['kernels/wasm/emit/gemm.ts', "import binaryen from 'binaryen';"],
    ['kernels/state.ts', "import { reference } from './reference/kernels.js';"],
    ['ops/attention.ts', "export type { Mask } from './options.js';\nexport const attend = 1;"],
    ['nn/linear.ts', 'export interface Sink { console: string }\nconst f = (s: Sink) => s.console;'],
    ['io/checkpoint.ts', "import { Module } from '../nn/module.js';"],
    ['nn/linear.ts', 'const f = (x: Matrix) => g({ v: x.data, length: x.data.length }, x.data.subarray(1));'],
    ['nn/module.ts', 'const f = (x: Matrix) => x.data[0];'],
    ['matrix/matrix.ts', 'const f = (x: Matrix) => x.data[0];'],
  ])('%s: %s', (file, text) => {
    const modules = house({ [file]: text });
    expect(Object.values(IMPORT_RULES).flatMap((rule) => rule(modules))).toEqual([]);
  });
});

describe('foldersOpen', () => {
  it('names a folder that no file opens, and one that two do', () => {
    const modules = house({
      'nn/linear.ts': '// nn: layers.\n',
      'nn/layers/norms.ts': '// nn: layers.\n',
      'ops/a.ts': '// ops: one.\n',
      'ops/b.ts': '// ops: another.\n',
    });
    expect(foldersOpen(modules)).toEqual([
      'nn/layers: 0 files begin with `// nn/layers: …`, not one',
      'ops: 2 files begin with `// ops: …`, not one',
    ]);
  });
});

describe('missingTests', () => {
  const modules = house({
    'nn/linear.ts': 'export class Linear {}',
    'kernels/contract.ts': 'export interface Kernels {}',
    'kernels/reference/gemm.ts': 'export function gemm() {}',
    'core/random.ts': 'class Random {}\nexport { Random };',
    'index.ts': "export { Linear } from './nn/linear.js';",
  });

  it('names every file with values and no test', () => {
    expect(missingTests(modules, new Set()).map((line) => line.split(':')[0])).toEqual([
      'nn/linear.ts',
      'kernels/reference/gemm.ts',
      'core/random.ts',
    ]);
  });

  it('a kernel is tested under its own name or the one its twins share', () => {
    const others = ['nn/linear.test.ts', 'core/random.test.ts'];
    expect(missingTests(modules, new Set([...others, 'kernels/gemm.test.ts']))).toEqual([]);
    expect(missingTests(modules, new Set([...others, 'kernels/reference/gemm.test.ts']))).toEqual([]);
    expect(missingTests(modules, new Set([...others, 'nn/gemm.test.ts']))).toHaveLength(1);
  });
});
