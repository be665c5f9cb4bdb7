import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { requireBuilt } from '../support/built.js';
import { node } from '../support/processes.js';
import { projectRoot } from '../support/source-modules.js';
import { temporaryFolder } from '../support/temporary.js';

/** What a module does while it loads, in a fresh process. */
function doneAtImport(path: string): string[] {
  const { code, stdout, output } = node(['test/support/import-traps.mjs', path], projectRoot);
  if (code !== 0) throw new Error(output);
  return JSON.parse(stdout);
}

describe('nothing happens at import', () => {
  beforeAll(requireBuilt);

  it.each(['dist/index.js', 'dist/index.min.js', 'dist/index.cjs'])('of %s', (file) => {
    expect(doneAtImport(join(projectRoot, file))).toEqual([]);
  });
});

describe('what would happen at import is found', () => {
  it.each([
    ['new WebAssembly.Memory({ initial: 1 })', 'constructed WebAssembly.Memory'],
    ['new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0))', 'constructed WebAssembly.Module'],
    ['await WebAssembly.compile(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0))', 'called WebAssembly.compile'],
    ['new SharedArrayBuffer(8)', 'constructed SharedArrayBuffer'],
    ['new FinalizationRegistry(() => {})', 'constructed FinalizationRegistry'],
    ["new (await import('node:worker_threads')).Worker('', { eval: true })", 'constructed worker_threads.Worker'],
    ['setTimeout(() => {}, 0)', 'called setTimeout'],
    ["console.warn('slow')", 'called console.warn'],
    ['globalThis.qkv = {}', 'added globalThis.qkv'],
    ['Float32Array.prototype.matmul = () => {}', 'added Float32Array.prototype.matmul'],
    ['Math.random = () => 4', 'replaced Math.random'],
    ['delete Array.prototype.at', 'removed Array.prototype.at'],
  ])('%s', (statement, finding) => {
    const file = join(temporaryFolder(), 'planted.mjs');
    writeFileSync(file, `${statement};\n`);
    expect(doneAtImport(file)).toContain(finding);
  });
});
