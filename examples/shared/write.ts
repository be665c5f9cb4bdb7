import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { noPlace, requireReplaceable } from './files.js';

/** No save takes this long: an older temporary file is left over from a killed run. */
const STALE_MS = 60_000;
/** Of the name, in that of the temporary file: names end at 255 bytes, and a unit takes three at most. */
const SHOWN = 40;

/** Writes the whole file or nothing: beside its place and down to the disk first, then moved into it. @throws UsageError */
export function writeWhole(what: string, path: string, content: Uint8Array | string, shown: string): void {
  let temporary = '';
  let isMade = false;
  try {
    requireReplaceable(path);
    const target = existsSync(path) ? realpathSync(path) : path; // a link stays one
    temporary = join(dirname(target), `${beginningOf(target)}${process.pid}.tmp`);
    rmSync(temporary, { force: true }); // of a killed run whose process number has come again
    const file = openSync(temporary, 'wx');
    isMade = true;
    try {
      const bytes = typeof content === 'string' ? Buffer.from(content) : content;
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, target);
    removeStale(target);
  } catch (error) {
    if (isMade) rmSync(temporary, { force: true });
    throw noPlace(what, shown, error);
  }
}

/** How the names of its temporary files begin; the process number and `.tmp` follow. */
const beginningOf = (target: string) => `.${basename(target).slice(0, SHOWN)}-`;

/** The temporary files that killed runs have left beside the target. */
function removeStale(target: string): void {
  const beginning = beginningOf(target);
  try {
    for (const name of readdirSync(dirname(target))) {
      if (!name.startsWith(beginning) || !/^\d+\.tmp$/.test(name.slice(beginning.length))) continue;
      const path = join(dirname(target), name);
      if (Date.now() - statSync(path).mtimeMs > STALE_MS) rmSync(path, { force: true });
    }
  } catch {
    // The file is written; what is left over does no harm.
  }
}
