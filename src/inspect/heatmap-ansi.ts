import { requireArguments } from '../core/arguments.js';
import { requireBoolean, requireInteger } from '../core/errors.js';
import type { Matrix } from '../matrix/matrix.js';
import { HEATMAP_OPTIONS, type Heatmap, type HeatmapOptions, heatmapInput, longestValue } from './heatmap-input.js';
import { blend, DARK, position, textIsBlack } from './heatmap-scale.js';
import { displayWidth, graphemes, pad } from './labels.js';

export interface HeatmapAnsiOptions extends HeatmapOptions {
  /** 24-bit background colors (default), or plain text: values with shades ░▒▓█. */
  color?: boolean;
  /**
   * Columns of the terminal. Default 80. A map too wide for values gets cells of two columns, three in plain text, even if
   * it then exceeds the width.
   */
  maxWidth?: number;
}

/** Labels are cut to this many columns; column labels that are written downward, to this many lines. */
const LABEL_COLUMNS = 16;
/** Cells with values are widened up to this width to fit the column labels. */
const WIDEST_CELL = 10;
const SHADES = [' ', '░', '▒', '▓', '█'] as const;
/** Columns of a cell beside its value: for the shade of the plain variant, and a space. */
const BESIDE_VALUE = 2;
const LEGEND_STEPS = 16;
/** A cell takes some 50 characters in color: 200 MB of text in all. V8's longest string has 2^29 characters. */
const MOST_CELLS = 2 ** 22;

/**
 * A heat map for a terminal: one (queries × keys) matrix, or several of one shape below one another on one scale. Every line
 * ends with a newline.
 *
 * Columns are aligned by display width. Every cell sets both text and background color, so that it can be read on light and
 * dark terminals. Labels may hold any text: control characters are shown as pictures, so that no escape sequence reaches the
 * terminal.
 *
 * @param weights  (Lq × Lk), or one such matrix per head
 * @throws ShapeError  if the labels or shapes do not agree, a number is out of range or there are more than 2^22 cells;
 *   TypeError for wrong kinds and unknown options
 * @example console.log(heatmapAnsi(weights, { rowLabels: words, columnLabels: words, color: process.stdout.isTTY }));
 */
export function heatmapAnsi(weights: Matrix | readonly Matrix[], options: HeatmapAnsiOptions = {}): string {
  const where = 'heatmapAnsi';
  requireArguments(where, arguments.length, 2);
  const map = heatmapInput(where, weights, options, [...HEATMAP_OPTIONS, 'color', 'maxWidth'], MOST_CELLS);
  const { color = true, maxWidth = 80 } = options;
  requireBoolean(where, 'color', color);
  requireInteger(where, 'maxWidth', maxWidth, 1);
  const left = widest(map.rowLabels) + 1;
  const availableWidth = Math.floor((maxWidth - left) / Math.max(1, map.cols));
  const narrowWidth = color ? 2 : 3;
  const valueWidth = longestValue(map) + BESIDE_VALUE;
  const withValues = availableWidth >= valueWidth;
  const cellWidth = withValues
    ? Math.max(valueWidth, Math.min(WIDEST_CELL, availableWidth, widest(map.columnLabels) + BESIDE_VALUE))
    : narrowWidth;
  const header = withValues ? levelHeader(map, left, cellWidth) : downwardHeader(map, left, narrowWidth);
  const lines = map.maps.flatMap((matrix, h) => {
    const heading = map.headLabels[h] === undefined ? [] : [pad(map.headLabels[h], displayWidth(map.headLabels[h]))];
    const rows = map.rowLabels.map((label, r) => {
      const cells = Array.from(matrix.row(r), (value) => cell(map, value, color, cellWidth, withValues));
      return `${pad(label, left - 1)} ${cells.join('')}`;
    });
    return [...heading, ...header, ...rows, ''];
  });
  return `${[...lines, legend(map, color, withValues)].map((line) => line.trimEnd()).join('\n')}\n`;
}

function widest(labels: readonly string[]): number {
  return labels.reduce((width, label) => Math.max(width, Math.min(LABEL_COLUMNS, displayWidth(label))), 0);
}

function levelHeader({ columnLabels }: Heatmap, left: number, cellWidth: number): string[] {
  const labels = columnLabels.map((label) => ` ${pad(label, cellWidth - 2, 'right')} `);
  return [' '.repeat(left) + labels.join('')];
}

/** Column labels written downward, one grapheme per line, ending right above their column. */
function downwardHeader({ columnLabels }: Heatmap, left: number, width: number): string[] {
  const columns = columnLabels.map((label) => {
    const letters = graphemes(label);
    return letters.length <= LABEL_COLUMNS ? letters : [...letters.slice(0, LABEL_COLUMNS - 1), '…'];
  });
  const height = columns.reduce((lines, column) => Math.max(lines, column.length), 0);
  return Array.from({ length: height }, (_, line) => {
    const row = columns.map(
      (column) => `${pad(column[line - (height - column.length)] ?? '', 2)}${' '.repeat(width - 2)}`,
    );
    return ' '.repeat(left) + row.join('');
  });
}

function cell(map: Heatmap, value: number, color: boolean, width: number, withValue: boolean): string {
  const t = position(map.scale, value);
  if (color) return paint(t, withValue ? `${map.write(value).padStart(width - 1)} ` : '  ');
  if (!withValue) return `${hundredths(t)} `;
  const shade = Number.isNaN(t) ? '!' : SHADES[Math.min(SHADES.length - 1, Math.floor(t * SHADES.length))];
  return `${map.write(value).padStart(width - 2)}${shade} `;
}

/** Two characters for t in [0, 1]: ` ·` for 0, ` 0` to `99`, `!!` for NaN. */
function hundredths(t: number): string {
  if (Number.isNaN(t)) return '!!';
  return (t === 0 ? '·' : String(Math.min(99, Math.floor(100 * t)))).padStart(2);
}

/** Text on the color of t, followed by a reset of the colors; NaN is red. */
function paint(t: number, content: string): string {
  const ground = Number.isNaN(t) ? [209, 36, 47] : blend(DARK, t);
  const ink = !Number.isNaN(t) && textIsBlack(DARK, t) ? [0, 0, 0] : [255, 255, 255];
  return `\u001b[48;2;${ground.join(';')}m\u001b[38;2;${ink.join(';')}m${content}\u001b[0m`;
}

function legend({ scale, write }: Heatmap, color: boolean, withValues: boolean): string {
  const [low, high] = [write(scale.low), write(scale.high)];
  const steps = Array.from({ length: LEGEND_STEPS }, (_, i) => paint(i / (LEGEND_STEPS - 1), ' ')).join('');
  const plain = withValues
    ? `${low} [${SHADES.map((shade) => shade.repeat(2)).join('')}] ${high}`
    : `hundredths of the way from ${low} (·) to ${high} (99)`;
  return `${color ? `${low} ${steps} ${high}` : plain}   rows attend to columns`;
}
