import { quote, UsageError } from '../shared/command-line.js';
import { fromCaller, isSameFile, readBytes, reason } from '../shared/files.js';
import { writeWhole } from '../shared/write.js';

/** Ten million words already take minutes and gigabytes. */
const MOST_TEXT = 1 << 26;

/** The text of a UTF-8 file. @throws UsageError */
export function readText(path: string): string {
  const what = '--file must be a readable UTF-8 text';
  const bytes = readBytes(what, fromCaller(path), path, MOST_TEXT);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new UsageError(`${what}: ${quote(path)} ${reason(error)}`);
  }
}

/** Writes the whole file or nothing. @throws UsageError */
export function writeSvg(path: string, svg: string, textFile: string | undefined): void {
  const target = fromCaller(path);
  if (textFile !== undefined && isSameFile(target, fromCaller(textFile))) {
    throw new UsageError(`--svg must not be the file of the text: got ${quote(path)}`);
  }
  writeWhole('--svg', target, svg, path);
}
