import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { quote, UsageError } from './command-line.js';

/** Paths are relative to where the user stands: npm runs scripts in the package's folder and says where it was called. */
export function fromCaller(path: string): string {
  const { npm_lifecycle_event: script, INIT_CWD: called } = process.env;
  return resolve(/^(start|train|story)$/.test(script ?? '') && called ? called : process.cwd(), path);
}

/** @param what  the option and what it must be @param shown  the path as the user wrote it @throws UsageError */
export function readBytes(what: string, path: string, shown: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new UsageError(`${what}: ${quote(shown)} ${reason(error)}`);
  }
}

export function isSameFile(a: string, b: string): boolean {
  try {
    return realpathSync(a) === realpathSync(b);
  } catch {
    return a === b; // neither may be there yet
  }
}

/** Before long work: that `writeWhole` will probably find its place. @throws UsageError */
export function requirePlace(what: string, path: string, shown: string): void {
  try {
    accessSync(dirname(path), constants.W_OK);
    if (!existsSync(path) || !statSync(path).isDirectory()) return;
  } catch (error) {
    throw noPlace(what, shown, error);
  }
  throw noPlace(what, shown, Object.assign(new Error(), { code: 'EISDIR' }));
}

/** Writes the whole file or nothing: beside its place and down to the disk first, then moved into it. @throws UsageError */
export function writeWhole(what: string, path: string, content: Uint8Array | string, shown: string): void {
  const temporary = join(dirname(path), `.${basename(path)}-${process.pid}.tmp`);
  try {
    const file = openSync(temporary, 'wx');
    try {
      const bytes = typeof content === 'string' ? Buffer.from(content) : content;
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    if (existsSync(temporary)) rmSync(temporary);
    throw noPlace(what, shown, error);
  }
}

function noPlace(what: string, shown: string, error: unknown): UsageError {
  if (isMissing(error)) return new UsageError(`${what} must lie in a folder that exists: got ${quote(shown)}`);
  return new UsageError(`${what} must be a place to write a file: ${quote(shown)} ${reason(error)}`);
}

const REASONS: Record<string, string> = {
  ENOENT: 'does not exist',
  EACCES: 'may not be opened',
  EPERM: 'may not be opened',
  EROFS: 'lies in a read-only place',
  EISDIR: 'is a folder',
  ENOTDIR: 'leads through a file',
  ENOSPC: 'does not fit on the disk',
  ERR_ENCODING_INVALID_ENCODED_DATA: 'is not UTF-8',
};

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

export function reason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  return REASONS[code] ?? `failed with ${code}`;
}
