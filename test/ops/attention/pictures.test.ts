import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Matrix } from '../../../src/matrix/matrix.js';
import { attentionWeights } from '../../../src/ops/attention/attention.js';
import type { AttentionOptions } from '../../../src/ops/attention/options.js';
import { projectRoot } from '../../support/source-modules.js';

// The pictures of masks in the comment of scaledDotProductAttention: options in one line, columns of 0 and 1 below.

interface Picture {
  options: string;
  rows: string[];
}

function picturesOf(source: string): Picture[] {
  const lines = source.split('\n').map((line) => line.replace(/^ \* {5}/, ''));
  const at = lines.findIndex((line) => line.startsWith('causal: true  '));
  const rows = lines.slice(at + 1);
  rows.length = rows.findIndex((row) => !/^[01 ]+$/.test(row));
  const starts = [...lines[at].matchAll(/(?<=^| {2})\S/g)].map(({ index }) => index);
  return starts.map((start, i) => {
    const column = (line: string) => line.slice(start, starts[i + 1]).trim();
    return { options: column(lines[at]), rows: rows.map(column).filter((row) => row !== '') };
  });
}

/** Rows of 0 and 1: where queries of zeros, which weigh all keys alike, put any weight. Sequences side by side. */
function drawn(options: AttentionOptions, queries: number, keys: number): string[] {
  const weights = attentionWeights(Matrix.zeros(queries, 1), Matrix.zeros(keys, 1), options);
  let before = 0;
  return weights.flatMap(({ cols, ...sequence }) => {
    const first = before;
    before += cols;
    const rows = new Matrix(sequence.rows, cols, sequence.data).toArray();
    return rows.map((row) => {
      const all = [...Array(first).fill(0), ...row, ...Array(keys - first - cols).fill(0)];
      return all.map((weight) => (weight > 0 ? 1 : 0)).join(' ');
    });
  });
}

describe('the pictures of masks', () => {
  const pictures = picturesOf(readFileSync(`${projectRoot}src/ops/attention/attention.ts`, 'utf8'));

  it('are found', () => {
    expect(pictures.map(({ options }) => options)).toContain("causal: 'top-left'");
    expect(pictures).toHaveLength(5);
  });

  it.each(pictures)('$options', ({ options, rows }) => {
    const given: AttentionOptions = new Function(`return { ${options} }`)();
    expect(drawn(given, rows.length, 5)).toEqual(rows);
  });
});
