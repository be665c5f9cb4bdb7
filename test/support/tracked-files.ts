import { readdirSync } from 'node:fs';
import { projectRoot } from './source-modules.js';

const NOT_TRACKED = ['node_modules', 'dist', 'build', 'coverage', '.git'];

/** Every text file of the project that is meant to be tracked, relative to its root. */
export function trackedFiles(folder = ''): string[] {
  return readdirSync(`${projectRoot}${folder}`, { withFileTypes: true }).flatMap((entry) => {
    if (NOT_TRACKED.includes(entry.name)) return []; // .git is a file where the folder is a second working tree
    if (entry.isDirectory()) return trackedFiles(`${folder}${entry.name}/`);
    return entry.isFile() && !/\.(tgz|png|wasm)$/.test(entry.name) ? [`${folder}${entry.name}`] : [];
  });
}
