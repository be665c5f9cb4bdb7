import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { listedCallables, listedOptions } from './listed.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'qkv-listed-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** The list of a surface that is this text. */
function listOf(text: string) {
  const index = join(folder, 'index.ts');
  writeFileSync(index, text);
  return listedCallables(index);
}

describe('the list of a surface', () => {
  test('has functions, constructors, statics and public methods', () => {
    const callables = listOf(`
      class Hidden { inherited(on = true): void {} }
      export class Shown extends Hidden {
        #secret(x: number): void {}
        private own(x: number): void {}
        protected below(x: number): void {}
        static make(): Shown { return new Shown({}); }
        constructor(options: { size?: number }) { super(); }
        run(): void {}
      }
      export class Below extends Shown { walk(): void {} }
      export class Failure extends RangeError {}
      export function call(x: number): void {}
      export const constant = 1;
      export interface Options { a?: number }
    `);
    expect(callables.map(({ name }) => name).sort()).toEqual(
      ['Below.walk', 'Shown.inherited', 'Shown.make', 'Shown.run', 'call', 'new Below', 'new Shown'].sort(),
    );
  });

  test('has inherited, omitted, intersected and nested options and optional parameters, and nothing else', () => {
    const callables = listOf(`
      export class Matrix { rows = 1; cols?: number }
      interface Base { a?: number; b: boolean }
      interface Inherited extends Base { c?: Matrix | Uint8Array; d?: (x: { no?: number }) => void }
      interface Nested { rope?: boolean | { base?: number }; pair?: Matrix | { key: Matrix; value: Matrix } }
      export function inherited(x: Matrix, options?: Inherited): void {}
      export function omitted(options: Omit<Inherited, 'c' | 'd'> & { e?: number }): void {}
      export function nested(options: Nested = {}): void {}
      interface Signal { readonly aborted: boolean; throwIfAborted(): void }
      export function withMethods(options: { signal?: Signal }): void {}
      export function positional(a: ArrayLike<number>, b?: Map<string, number>, c = 1, ...rest: number[]): void {}
    `);
    expect(listedOptions(callables)).toEqual([
      ...['c', 'd', 'a', 'b'].map((name) => `inherited.${name}`),
      ...['a', 'b', 'e'].map((name) => `omitted.${name}`),
      ...['rope', 'rope.base', 'pair', 'pair.key', 'pair.value'].map((name) => `nested.${name}`),
      'withMethods.signal',
      ...['b', 'c', 'rest'].map((name) => `positional.${name}`),
    ]);
  });

  test('refuses overloads and imports that lead nowhere, whose options it would lose', () => {
    expect(() =>
      listOf('export function f(a: 1): 1; export function f(a: 2): 2; export function f(a: number) { return a; }'),
    ).toThrow(/listed twice/);
    expect(() => listOf("export { f } from './absent.js';")).toThrow(/cannot be resolved/);
  });
});

test('a new option of the library appears in the list, once for every function that takes it', () => {
  cpSync(fileURLToPath(new URL('../../src', import.meta.url)), folder, { recursive: true });
  const path = join(folder, 'ops', 'attention', 'options.ts');
  const interfaceStart = 'export interface AttentionOptions {';
  const text = readFileSync(path, 'utf8');
  expect(text).toContain(interfaceStart);
  writeFileSync(path, text.replace(interfaceStart, `${interfaceStart}\n  planted?: number;`));
  const before = listedOptions();
  const added = listedOptions(listedCallables(join(folder, 'index.ts'))).filter((key) => !before.includes(key));
  expect(added.sort()).toEqual(
    [
      'KVCache.attend.planted',
      'SelfAttention.attentionWeights.planted',
      'SelfAttention.forward.planted',
      'SelfAttention.trace.planted',
      'attentionLogSumExp.planted',
      'attentionWeights.planted',
      'new SelfAttention.planted',
      'scaledDotProductAttention.planted',
    ].sort(),
  );
});
