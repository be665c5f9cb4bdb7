import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { quote, UsageError } from './command-line.js';

/** Paths are relative to the user's folder: npm runs scripts in the package's folder, but says where it was called. */
export function fromCaller(path: string): string {
  const { npm_lifecycle_event: script, INIT_CWD: called } = process.env;
  return resolve(/^(start|train|story)$/.test(script ?? '') && called ? called : process.cwd(), path);
}

/** Bytes read at once. */
const PIECE = 1 << 24;

/**
 * The bytes of a regular file of plausible size; a device or a pipe, such as /dev/zero, might never end. Nothing here listens
 * to signals, so that Ctrl-C ends the reading.
 *
 * @param what  the option and what it must be @param shown  the path as the user wrote it @param most  bytes
 * @throws UsageError
 */
export function readBytes(what: string, path: string, shown: string, most: number): Buffer {
  let file: number | undefined;
  try {
    requireRegular(statSync(path)); // before it is opened: a pipe would wait for its writer, a device might do something
    file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const stats = fstatSync(file);
    requireRegular(stats);
    if (stats.size > most) {
      throw new UsageError(`${what} of at most ${most} bytes: ${quote(shown)} has ${stats.size}`);
    }
    return readWhole(file, stats.size);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${what}: ${quote(shown)} ${reason(error)}`);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** As many bytes as the file had when its size was read; fewer if it has become shorter. */
function readWhole(file: number, size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  let end = 0;
  while (end < size) {
    const count = readSync(file, bytes, end, Math.min(PIECE, size - end), null);
    if (count === 0) break;
    end += count;
  }
  return bytes.subarray(0, end);
}

function requireRegular(stats: Stats): void {
  if (stats.isFile()) return;
  throw Object.assign(new Error(), { code: stats.isDirectory() ? 'EISDIR' : 'ENOTREGULAR' });
}

export function isSameFile(a: string, b: string): boolean {
  try {
    return realpathSync(a) === realpathSync(b);
  } catch {
    return a === b; // neither may be there yet
  }
}

/** Checks before long work that `writeWhole` will probably succeed. @throws UsageError */
export function requirePlace(what: string, path: string, shown: string): void {
  try {
    accessSync(dirname(path), constants.W_OK);
    requireReplaceable(path);
  } catch (error) {
    throw noPlace(what, shown, error);
  }
}

/** A new file, or one like it: moved onto a device, a file would take the place of the device. */
export function requireReplaceable(path: string): void {
  if (existsSync(path)) requireRegular(statSync(path));
}

export function noPlace(what: string, shown: string, error: unknown): UsageError {
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
  ENOTREGULAR: 'is no regular file',
  ELOOP: 'is a link to itself',
  ENAMETOOLONG: 'is too long',
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
