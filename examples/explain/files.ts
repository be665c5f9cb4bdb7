import { quote, UsageError } from '../shared/command-line.js';
import { fromCaller, isSameFile, readBytes, reason, writeWhole } from '../shared/files.js';

/** The text of a UTF-8 file. @throws UsageError */
export function readText(path: string): string {
  const what = '--file must be a readable UTF-8 text';
  const bytes = readBytes(what, fromCaller(path), path);
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
