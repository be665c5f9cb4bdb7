// inspect: attention weights as pictures and pages. Knows matrices; computes no attention.

import { describe, kindError, requireArrayLike, requireFinite, shapeError } from '../core/errors.js';
import { requireOptions } from '../core/options.js';
import { type Matrix, requireMatrix } from '../matrix/matrix.js';
import { type Scale, scaleOf, valueWriter } from './heatmap-scale.js';
import { visibleLabel } from './labels.js';

/** Options of both kinds of heat map. */
export interface HeatmapOptions {
  /** One per row: the queries. Default: their numbers. */
  rowLabels?: readonly string[];
  /** One per column: the keys. Default: their numbers. */
  columnLabels?: readonly string[];
  /** One per map: its heading. Default: head 0, head 1 …, or no heading for a single map. */
  headLabels?: readonly string[];
  /** The value that is shown without color, as is all below it. Default: 0, or the smallest entry if that is negative. */
  low?: number;
  /** The value that is shown in full color, as is all above it. Default: the largest entry of all maps. */
  high?: number;
}

export const HEATMAP_OPTIONS = [
  'rowLabels',
  'columnLabels',
  'headLabels',
  'low',
  'high',
] as const satisfies readonly (keyof HeatmapOptions)[];

/** Maps of equal shape with labels that are safe to print. */
export interface Heatmap {
  maps: readonly Matrix[];
  rows: number;
  cols: number;
  rowLabels: string[];
  columnLabels: string[];
  /** Empty for a single map without headLabels. */
  headLabels: string[];
  scale: Scale;
  /** The text of a value in a cell. */
  write: (value: number) => string;
}

export function heatmapInput(
  where: string,
  weights: Matrix | readonly Matrix[],
  options: HeatmapOptions,
  allowed: readonly string[],
  mostCells: number,
): Heatmap {
  requireOptions(where, options, allowed);
  const { headLabels, low, high } = options;
  const maps = checkMaps(where, weights);
  requireFew(where, maps.length, maps[0], mostCells);
  const { rows, cols } = maps[0];
  if (low !== undefined) requireFinite(where, 'low', low);
  if (high !== undefined) requireFinite(where, 'high', high, low);
  const scale = scaleOf(maps, low, high);
  return {
    maps,
    rows,
    cols,
    rowLabels: checkLabels(where, 'rowLabels', options.rowLabels, rows, 'row'),
    columnLabels: checkLabels(where, 'columnLabels', options.columnLabels, cols, 'column'),
    headLabels:
      headLabels === undefined
        ? maps.map((_, h) => `head ${h}`).slice(maps.length === 1 ? 1 : 0)
        : checkLabels(where, 'headLabels', headLabels, maps.length, 'map'),
    scale,
    write: valueWriter(scale),
  };
}

/** To be called before drawing. Even in a map without entries every row and column counts, for its label. */
export function requireFew(where: string, maps: number, { rows, cols }: Matrix, limit: number): void {
  const cells = maps * Math.max(1, rows) * Math.max(1, cols);
  if (cells <= limit) return;
  throw shapeError(where, `weights must have at most ${limit} entries`, `got ${cells}`, 'slice rows or columns');
}

/** The number of characters of the longest value of the maps. */
export function longestValue({ maps, write }: Heatmap): number {
  let longest = 0;
  for (const { data } of maps) for (const value of data) longest = Math.max(longest, write(value).length);
  return longest;
}

export function checkMaps(where: string, weights: unknown): readonly Matrix[] {
  if (!Array.isArray(weights)) {
    requireMatrix(where, 'weights', weights);
    return [weights];
  }
  if (weights.length === 0) throw shapeError(where, 'weights must hold at least one matrix', 'got an empty list');
  const maps: Matrix[] = [];
  for (let h = 0; h < weights.length; h++) {
    const map: unknown = weights[h]; // forEach would skip a hole
    requireMatrix(where, `weights[${h}]`, map);
    maps.push(map);
    if (map.rows === maps[0].rows && map.cols === maps[0].cols) continue;
    const given = `weights[0] is ${maps[0].rows}×${maps[0].cols}, weights[${h}] is ${map.rows}×${map.cols}`;
    throw shapeError(where, 'weights must have one shape', given);
  }
  return maps;
}

export function checkLabels(where: string, name: string, labels: unknown, count: number, unit: string): string[] {
  if (labels === undefined) return Array.from({ length: count }, (_, i) => String(i));
  requireArrayLike(where, name, labels);
  if (labels.length !== count) {
    throw shapeError(where, `${name} must have one entry for each ${unit}`, `got ${labels.length} for ${count}`);
  }
  return Array.from(labels, (label, i) => {
    if (typeof label === 'string') return visibleLabel(label);
    throw kindError(where, `${name}[${i}] must be a string`, `got ${describe(label)}`);
  });
}
