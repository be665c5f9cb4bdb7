import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../bench/arguments.js';
import { loadPeers } from '../../bench/peers/load.js';
import { projectRoot } from '../support/source-modules.js';
import { temporaryFolder } from '../support/temporary.js';

describe('loadPeers', () => {
  const NAMES = ['onnxruntime-web', '@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-wasm', '@jax-js/jax'];

  it('says in one line which peers are not installed, and how they are', async () => {
    const failed = loadPeers(temporaryFolder());
    await expect(failed).rejects.toThrow(UsageError);
    await expect(failed).rejects.toThrow(
      `--peers must find what bench/package.json lists: ${NAMES.join(', ')} not installed (npm ci --prefix bench)`,
    );
  });

  it('names only those that are missing', async () => {
    const folder = temporaryFolder();
    for (const name of NAMES.slice(0, 3)) {
      mkdirSync(join(folder, 'node_modules', name), { recursive: true });
      writeFileSync(join(folder, 'node_modules', name, 'index.js'), '');
    }
    await expect(loadPeers(folder)).rejects.toThrow('lists: @jax-js/jax not installed');
  });

  it("are those of bench/package.json, at exact versions, and none is the library's own dependency", () => {
    const read = (path: string) => JSON.parse(readFileSync(join(projectRoot, path), 'utf8'));
    const { dependencies } = read('bench/package.json');
    expect(Object.keys(dependencies).sort()).toEqual([...NAMES].sort());
    for (const version of Object.values(dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    const own = read('package.json');
    const all = { ...own.dependencies, ...own.devDependencies, ...own.peerDependencies, ...own.optionalDependencies };
    expect(NAMES.filter((name) => name in all)).toEqual([]);
  });
});
