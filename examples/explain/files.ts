import { existsSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { quote, UsageError } from './arguments.js';

/** The text of a UTF-8 file. @throws UsageError */
export function readText(path: string): string {
  try {
    const bytes = readFileSync(resolve(callersFolder(), path));
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new UsageError(`--file must be a readable UTF-8 text: ${quote(path)} ${reason(error)}`);
  }
}

/** Writes the whole file or nothing: beside its place first, then moved into it. @throws UsageError */
export function writeSvg(path: string, svg: string, textFile: string | undefined): void {
  const target = resolve(callersFolder(), path);
  if (textFile !== undefined && isSameFile(target, resolve(callersFolder(), textFile))) {
    throw new UsageError(`--svg must not be the file of the text: got ${quote(path)}`);
  }
  const temporary = resolve(dirname(target), `.explain-${process.pid}.tmp`);
  try {
    writeFileSync(temporary, svg, { flag: 'wx' });
    renameSync(temporary, target);
  } catch (error) {
    if (existsSync(temporary)) rmSync(temporary);
    if (isMissing(error)) throw new UsageError(`--svg must lie in a folder that exists: got ${quote(path)}`);
    throw new UsageError(`--svg must be a place to write a file: ${quote(path)} ${reason(error)}`);
  }
}

function isSameFile(a: string, b: string): boolean {
  try {
    return realpathSync(a) === realpathSync(b);
  } catch {
    return false;
  }
}

/** Paths are relative to where the user stands: npm runs scripts in the package's folder and says where it was called. */
function callersFolder(): string {
  const { npm_lifecycle_event: script, INIT_CWD: called } = process.env;
  return script === 'start' && called ? called : process.cwd();
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

function reason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  return REASONS[code] ?? `failed with ${code}`;
}
