import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { decode, readTensorFile, type TensorFile } from './safetensors.js';
import type { Tensor } from './tensor.js';
import { forEachTwin, TWINS, type Twin } from './twins.js';

// Expected values of other libraries. They are not part of the project: they are in a folder next to it, or in the one that
// QKV_CONFORMANCE names (a path from the project's root). Their READMEs describe the formats.

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FOLDER = resolve(ROOT, process.env.QKV_CONFORMANCE ?? '../shared/conformance');

if (process.env.QKV_CONFORMANCE !== undefined && !existsSync(FOLDER)) {
  throw new Error(`QKV_CONFORMANCE: the folder must exist: got ${process.env.QKV_CONFORMANCE}`);
}

export interface OnnxCase {
  readonly name: string;
  readonly op: string;
  readonly attributes: Readonly<Record<string, number | undefined>>;
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly outputs: ReadonlyMap<string, Tensor>;
  /** Whether the tensors were stored with half precision. */
  readonly half: boolean;
}

export interface TorchCase {
  readonly name: string;
  readonly kind: string;
  /** The description of the case; every test checks the fields that it reads. */
  readonly config: Readonly<Record<string, unknown>>;
  /** in.*, param.*, out.*, grad.*, and stepN.* of training. */
  readonly tensors: ReadonlyMap<string, Tensor>;
}

interface StoredOnnxTensor {
  dtype: string;
  shape: number[];
  data: string;
}

/** Every ONNX case; undefined if the data are absent. */
export function onnxCases(): OnnxCase[] | undefined {
  return filesOf('onnx', '.json')?.map((path) => {
    const stored = JSON.parse(readFileSync(path, 'utf8')) as Pick<OnnxCase, 'name' | 'op' | 'attributes'> & {
      inputs: Record<string, StoredOnnxTensor>;
      outputs: Record<string, StoredOnnxTensor>;
    };
    const all = [...Object.values(stored.inputs), ...Object.values(stored.outputs)];
    const half = all.some((tensor) => tensor.dtype === 'float16');
    return { ...stored, inputs: tensorsOf(stored.inputs), outputs: tensorsOf(stored.outputs), half };
  });
}

/** Every PyTorch case, or those of some kinds; undefined if the data are absent. */
export function torchCases(...kinds: string[]): TorchCase[] | undefined {
  const cases = filesOf('torch', '.safetensors')?.map((path) => {
    const { metadata, tensors } = readTensorFile(path);
    const { name = basename(path, '.safetensors'), kind = 'unnamed', config = '{}' } = metadata;
    return { name, kind, config: JSON.parse(config) as TorchCase['config'], tensors };
  });
  return kinds.length === 0 ? cases : cases?.filter(({ kind }) => kinds.includes(kind));
}

/** A model folder as Hugging Face writes it. */
export interface HubCase {
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** The weights, of all shards together. */
  readonly bytes: Uint8Array[];
}

/** Every folder that holds one whole model; undefined if the data are absent. */
export function hubCases(): HubCase[] | undefined {
  const root = join(FOLDER, 'hf');
  if (!existsSync(root)) return undefined;
  const folders = readdirSync(root).filter((name) => existsSync(join(root, name, 'config.json')));
  return folders.sort().map((name) => {
    const files = readdirSync(join(root, name)).filter((file) => /^model.*\.safetensors$/.test(file));
    const config = JSON.parse(readFileSync(join(root, name, 'config.json'), 'utf8')) as HubCase['config'];
    return { name, config, bytes: files.map((file) => readFileSync(join(root, name, file))) };
  });
}

/** The folder of the stories260K model, next to the conformance folder; undefined if it is absent. */
export function storiesPath(name = ''): string | undefined {
  const path = join(FOLDER, '../models/stories260K', name);
  return existsSync(path) ? path : undefined;
}

export function storiesFile(name: string): TensorFile | undefined {
  const path = storiesPath(name);
  return path === undefined ? undefined : readTensorFile(path);
}

/** What the reference program computed with the model; `logits` are those after the tokens at `positions`. */
export interface StoriesCase {
  readonly name: string;
  readonly tokens: number[];
  /** The most likely token after each. */
  readonly argmax: number[];
  /** From this position on the likeliest token is so far ahead of the second that rounding cannot exchange them. */
  readonly greedyFrom: number;
  readonly positions: number[];
  readonly logits: Tensor;
}

export function storiesCases(): StoriesCase[] | undefined {
  const path = storiesPath('golden.json');
  if (path === undefined) return undefined;
  const { cases } = JSON.parse(readFileSync(path, 'utf8')) as {
    cases: (Omit<StoriesCase, 'logits' | 'greedyFrom'> & { logits: StoredOnnxTensor; greedy_from: number | null })[];
  };
  return cases.map(({ greedy_from, ...one }) => ({
    ...one,
    greedyFrom: greedy_from ?? one.tokens.length,
    logits: tensorsOf({ logits: one.logits }).get('logits') as Tensor,
  }));
}

/**
 * Declares a test for every case on every twin, and one that says how many ran. Without data it declares as many skipped
 * tests as the case family is known to have, so that the runner's own count shows them.
 */
export function describeCases<T extends { readonly name: string }>(
  title: string,
  cases: readonly T[] | undefined,
  knownCount: number,
  run: (testCase: T, twin: Twin) => unknown,
): void {
  if (cases === undefined) {
    describe.skipIf(true)(`${title}: the conformance data are absent`, () => {
      for (let i = 1; i <= knownCount; i++) it(`case ${i} of ${knownCount}`, () => {});
    });
    return;
  }
  describe(title, () => {
    const ran = new Set<string>();
    forEachTwin((twin) => {
      for (const testCase of cases) {
        it(testCase.name, () => {
          ran.add(`${testCase.name} on ${twin.name}`);
          return run(testCase, twin);
        });
      }
    });
    const twins = TWINS.map((twin) => twin.name).join(', ');
    it(`ran ${cases.length} of ${cases.length} cases on each of ${twins}`, () => {
      expect(cases.length).toBeGreaterThan(0);
      expect(ran.size).toBe(cases.length * TWINS.length); // names are unique, none was left out
    });
  });
}

function filesOf(family: string, extension: string): string[] | undefined {
  const folder = join(FOLDER, family);
  if (!existsSync(folder)) return undefined;
  const names = readdirSync(folder).filter((name) => name.endsWith(extension));
  return names.sort().map((name) => join(folder, name));
}

function tensorsOf(stored: Record<string, StoredOnnxTensor>): Map<string, Tensor> {
  return new Map(
    Object.entries(stored).map(([name, { dtype, shape, data }]) => {
      const bytes = Uint8Array.from(Buffer.from(data, 'base64')); // a copy, so aligned
      return [name, { shape, data: decode(dtype, bytes.buffer) }];
    }),
  );
}
