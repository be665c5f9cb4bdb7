import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { projectRoot } from '../support/source-modules.js';
import { trackedFiles } from '../support/tracked-files.js';

const read = (file: string) => readFileSync(`${projectRoot}${file}`, 'utf8');

/** The settings under one heading of an .editorconfig. */
function settings(text: string, heading: string): Record<string, string> {
  const lines = text.split('\n').map((line) => line.trim());
  const body = lines.slice(lines.indexOf(heading) + 1);
  const end = body.findIndex((line) => line.startsWith('['));
  const pairs = body.slice(0, end < 0 ? undefined : end).filter((line) => line.includes('='));
  return Object.fromEntries(pairs.map((line) => line.split('=').map((part) => part.trim())));
}

describe('.editorconfig', () => {
  const editor = settings(read('.editorconfig'), '[*]');

  it('asks of editors what biome.json asks of the formatter', () => {
    const { formatter } = JSON.parse(read('biome.json'));
    expect({ ...formatter }).toEqual({
      indentStyle: editor.indent_style,
      indentWidth: Number(editor.indent_size),
      lineWidth: Number(editor.max_line_length),
    });
  });

  it('asks what every tracked file does: UTF-8, line feeds, no space at an end of line, a line feed at the end', () => {
    expect(editor).toMatchObject({
      charset: 'utf-8',
      end_of_line: 'lf',
      trim_trailing_whitespace: 'true',
      insert_final_newline: 'true',
    });
    const different = trackedFiles().filter((file) => {
      const text = read(file);
      const isUtf8 = Buffer.from(text).equals(readFileSync(`${projectRoot}${file}`));
      return !isUtf8 || /\r|[ \t]$/m.test(text) || (text !== '' && !text.endsWith('\n'));
    });
    expect(different).toEqual([]);
  });

  it('is read heading by heading', () => {
    expect(settings('root = true\n[*]\na = 1\n# b\n[*.md]\na = 2\n', '[*]')).toEqual({ a: '1' });
    expect(settings('[*]\na = 1\n[*.md]\na = 2\n', '[*.md]')).toEqual({ a: '2' });
  });
});
