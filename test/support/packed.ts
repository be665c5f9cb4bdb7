import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { npm } from './processes.js';
import { projectRoot } from './source-modules.js';

export interface Packed {
  readonly tarball: string;
  /** What the tarball holds, relative to the package. */
  readonly files: readonly string[];
}

/** The package as it would be published, packed into `folder`. Nothing is built here: call `requireBuilt` first. */
export function pack(folder: string): Packed {
  const { code, stdout, output } = npm(
    ['pack', '--json', '--ignore-scripts', '--pack-destination', folder],
    projectRoot,
  );
  if (code !== 0) throw new Error(`npm pack failed: ${output}`);
  const [{ filename, files }] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
  return { tarball: join(folder, filename), files: files.map(({ path }) => path).sort() };
}

/** A project in `folder` that has installed the tarball and nothing else, without a network. */
export function installInto(folder: string, tarball: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "name": "consumer", "version": "1.0.0", "private": true }');
  const { code, output } = npm(['install', '--offline', '--no-audit', '--no-fund', tarball], folder);
  if (code !== 0) throw new Error(`npm install failed: ${output}`);
}
