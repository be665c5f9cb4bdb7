import { requireArguments } from '../core/arguments.js';
import { describe, kindError } from '../core/errors.js';
import type { Matrix } from '../matrix/matrix.js';
import { HEATMAP_OPTIONS, type Heatmap, type HeatmapOptions, heatmapInput, longestValue } from './heatmap-input.js';
import { blend, type Color, DARK, LIGHT, position, type Theme, textIsBlack } from './heatmap-scale.js';
import { displayWidth, truncate, visibleLabel } from './labels.js';

export interface HeatmapSvgOptions extends HeatmapOptions {
  /** The heading, which screen readers say too. Default 'Attention weights'. */
  title?: string;
}

// All lengths are in pixels of the viewBox.
const MARGIN = 16;
const FONT = 12;
/** The width of one column of text in a monospace font of this size. */
const COLUMN = 0.602 * FONT;
const LINE = 18;
/** Labels are cut to this many columns; the tooltips of the cells show them whole. */
const LABEL_COLUMNS = 24;
/** Height of the heading. */
const HEADING = LINE + 6;
/** Maps with more rows or columns than this show colors only. */
const MOST_WITH_VALUES = 16;
/** The smallest cell with a value; longer values widen it. */
const VALUE_CELL = { width: 46, height: 28 };
/** The longer side of a map without values, unless its cells would leave the two sizes below. */
const MAP_SIDE = 512;
const [SMALLEST_CELL, LARGEST_CELL] = [2, 20];
/** Panels are placed side by side up to this width. */
const PAGE_WIDTH = 1100;
/** Programs no longer open an SVG with more elements than this. */
const MOST_CELLS = 250_000;
const LEGEND_STEPS = 24;
const LEGEND_CELL = 8;
const NOTE = 'rows attend to columns';

/**
 * A heat map as a self-contained SVG document: one (queries × keys) matrix, or several of one shape side by side on one
 * scale. Maps of up to 16×16 have values in their cells. The colors follow the reader's light or dark color scheme.
 *
 * Labels may hold any text: they are escaped, control characters are shown as pictures and direction marks as �.
 *
 * @param weights  (Lq × Lk), or one such matrix per head
 * @throws ShapeError  if the labels or shapes do not agree, a number is out of range or there are more than 250 000 cells;
 *   TypeError for wrong kinds and unknown options
 * @example writeFileSync('heads.svg', heatmapSvg(attention.attentionWeights(x), { rowLabels: words, columnLabels: words }));
 */
export function heatmapSvg(weights: Matrix | readonly Matrix[], options: HeatmapSvgOptions = {}): string {
  const where = 'heatmapSvg';
  requireArguments(where, arguments.length, 2);
  const map = heatmapInput(where, weights, options, [...HEATMAP_OPTIONS, 'title'], MOST_CELLS);
  const { title = 'Attention weights' } = options;
  if (typeof title !== 'string') throw kindError(where, 'title must be a string', `got ${describe(title)}`);
  return draw(map, visibleLabel(title));
}

/** Where the parts of one panel lie; (0, 0) of the panel is its upper left corner. */
interface Layout {
  cell: { width: number; height: number };
  withValues: boolean;
  turned: boolean;
  left: number;
  top: number;
  width: number;
  height: number;
}

function draw(map: Heatmap, title: string): string {
  const layout = layoutOf(map);
  const panelsAcross = Math.max(
    1,
    Math.min(map.maps.length, Math.floor((PAGE_WIDTH - MARGIN) / (layout.width + MARGIN))),
  );
  const panelsDown = Math.ceil(map.maps.length / panelsAcross);
  const { legend, legendWidth } = legendOf(map);
  const heading = truncate(title, Math.floor((PAGE_WIDTH - 2 * MARGIN) / COLUMN));
  const content = Math.max(
    panelsAcross * (layout.width + MARGIN) - MARGIN,
    legendWidth,
    displayWidth(heading) * COLUMN,
  );
  const width = Math.ceil(content + 2 * MARGIN);
  const legendTop = MARGIN + HEADING + panelsDown * (layout.height + MARGIN);
  const height = Math.ceil(legendTop + LINE + MARGIN);
  const panels = map.maps.map((matrix, h) => {
    const x = MARGIN + (h % panelsAcross) * (layout.width + MARGIN);
    const y = MARGIN + HEADING + Math.floor(h / panelsAcross) * (layout.height + MARGIN);
    return group(x, y, panel(map, matrix, map.headLabels[h], layout));
  });
  const mapCount = map.maps.length === 1 ? '' : `${map.maps.length} maps of `;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="qkv" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeXml(title)}">`,
    `<title>${escapeXml(title)}</title>`,
    `<desc>${mapCount}${map.rows} rows and ${map.cols} columns, color from ${map.write(map.scale.low)} to ${map.write(map.scale.high)}; ${NOTE}.</desc>`,
    `<style>${STYLE}</style>`,
    `<rect class="qkv-ground" width="${width}" height="${height}"/>`,
    text(MARGIN, MARGIN + FONT, 'qkv-ink qkv-heading', heading),
    ...panels,
    group(MARGIN, legendTop, legend),
    '</svg>',
    '',
  ].join('\n');
}

function layoutOf(map: Heatmap): Layout {
  const { rows, cols, rowLabels, columnLabels, headLabels } = map;
  const withValues = rows <= MOST_WITH_VALUES && cols <= MOST_WITH_VALUES;
  const side = Math.min(LARGEST_CELL, Math.max(SMALLEST_CELL, Math.floor(MAP_SIDE / Math.max(rows, cols, 1))));
  const cell = withValues ? valueCell(map) : { width: side, height: side };
  const longest = longestLabel(columnLabels);
  const turned = longest * COLUMN > cell.width - 4;
  // A label rotated by 45° takes its length times √½ upward and to the right.
  const slope = Math.ceil((longest * COLUMN + FONT) * Math.SQRT1_2);
  const left = Math.ceil(longestLabel(rowLabels) * COLUMN) + 8;
  const top = (headLabels.length > 0 ? LINE : 0) + (turned ? slope + 6 : LINE);
  const width = left + cols * cell.width + (turned ? Math.max(0, slope - Math.ceil(cell.width / 2)) : 0);
  return { cell, withValues, turned, left, top, width, height: top + rows * cell.height };
}

function valueCell(map: Heatmap): Layout['cell'] {
  return { ...VALUE_CELL, width: Math.max(VALUE_CELL.width, Math.ceil(longestValue(map) * COLUMN) + 10) };
}

function longestLabel(labels: readonly string[]): number {
  return labels.reduce((longest, label) => Math.max(longest, displayWidth(truncate(label, LABEL_COLUMNS))), 0);
}

function panel(map: Heatmap, matrix: Matrix, heading: string | undefined, layout: Layout): string[] {
  const { cell, left, top } = layout;
  const out: string[] = [];
  if (heading !== undefined) out.push(text(left, FONT, 'qkv-ink', truncate(heading, LABEL_COLUMNS)));
  map.columnLabels.forEach((label, c) => {
    if (c % labelStep(cell.width) !== 0) return;
    const x = left + (c + 0.5) * cell.width;
    const shown = truncate(label, LABEL_COLUMNS);
    if (layout.turned)
      out.push(text(x + 4, top - 6, 'qkv-ink', shown, `rotate(-45 ${round(x + 4)} ${round(top - 6)})`));
    else out.push(text(x, top - 6, 'qkv-ink qkv-middle', shown));
  });
  map.rowLabels.forEach((label, r) => {
    if (r % labelStep(cell.height) !== 0) return;
    out.push(text(left - 6, top + (r + 0.5) * cell.height + 4, 'qkv-ink qkv-end', truncate(label, LABEL_COLUMNS)));
  });
  for (let r = 0; r < map.rows; r++) {
    for (let c = 0; c < map.cols; c++) out.push(...cellAt(map, matrix, layout, r, c));
  }
  const [frameWidth, frameHeight] = [map.cols * cell.width, map.rows * cell.height];
  out.push(`<rect class="qkv-frame" x="${left}" y="${top}" width="${frameWidth}" height="${frameHeight}"/>`);
  return out;
}

/** A label fits beside every labelStep-th row or column of this size. */
function labelStep(size: number): number {
  return Math.ceil((FONT + 2) / size);
}

function cellAt(map: Heatmap, matrix: Matrix, { cell, withValues, left, top }: Layout, r: number, c: number): string[] {
  const value = matrix.data[r * map.cols + c];
  const t = position(map.scale, value);
  const [x, y] = [left + c * cell.width, top + r * cell.height];
  const tip = `${map.rowLabels[r]} → ${map.columnLabels[c]}: ${tipValue(value)}`;
  const paint = Number.isNaN(t) ? 'class="qkv-nan"' : `class="qkv-full" fill-opacity="${round(t, 3)}"`;
  const gap = cell.width >= 8 ? 1 : 0;
  const size = `width="${cell.width - gap}" height="${cell.height - gap}"`;
  const rect = `<rect x="${x}" y="${y}" ${size} ${paint}><title>${escapeXml(tip)}</title></rect>`;
  if (!withValues) return [rect];
  const ink = [
    'qkv-value',
    ...(textIsBlack(LIGHT, t) ? [] : ['qkv-on-light']),
    ...(textIsBlack(DARK, t) ? ['qkv-on-dark'] : []),
  ];
  return [rect, text(x + cell.width / 2, y + cell.height / 2 + 4, ink.join(' '), map.write(value))];
}

function legendOf(map: Heatmap): { legend: string[]; legendWidth: number } {
  const [low, high] = [map.write(map.scale.low), map.write(map.scale.high)];
  const strip = Math.ceil(low.length * COLUMN) + 6;
  const after = strip + LEGEND_STEPS * LEGEND_CELL + 6;
  const note = after + Math.ceil(high.length * COLUMN) + 2 * FONT;
  const steps = Array.from({ length: LEGEND_STEPS }, (_, i) => {
    const opacity = round(i / (LEGEND_STEPS - 1), 3);
    return `<rect x="${strip + i * LEGEND_CELL}" y="2" width="${LEGEND_CELL}" height="12" class="qkv-full" fill-opacity="${opacity}"/>`;
  });
  const frame = `<rect class="qkv-frame" x="${strip}" y="2" width="${LEGEND_STEPS * LEGEND_CELL}" height="12"/>`;
  const legend = [
    text(0, FONT, 'qkv-ink', low),
    ...steps,
    frame,
    text(after, FONT, 'qkv-ink', high),
    text(note, FONT, 'qkv-ink', NOTE),
  ];
  return { legend, legendWidth: note + NOTE.length * COLUMN };
}

function tipValue(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(4))) : String(value);
}

function group(x: number, y: number, content: readonly string[]): string {
  return `<g transform="translate(${round(x)} ${round(y)})">\n${content.join('\n')}\n</g>`;
}

function text(x: number, y: number, classes: string, content: string, transform?: string): string {
  const turn = transform === undefined ? '' : ` transform="${transform}"`;
  return `<text x="${round(x)}" y="${round(y)}" class="${classes}"${turn}>${escapeXml(content)}</text>`;
}

function round(value: number, digits = 1): string {
  return String(Number(value.toFixed(digits)));
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

function escapeXml(content: string): string {
  return content.replace(/[&<>"']/g, (character) => ENTITIES[character]);
}

function css(color: Color): string {
  return `#${color.map((part) => part.toString(16).padStart(2, '0')).join('')}`;
}

/** The CSS rules of one color scheme. Class names begin with qkv: the style of an inline SVG applies to its whole page. */
function themeStyle(theme: Theme, values: string): string {
  return [
    `.qkv-ground{fill:${css(theme.ground)}}`,
    `.qkv-full{fill:${css(theme.full)}}`,
    `.qkv-ink{fill:${textIsBlack(theme, 0) ? '#1f2328' : '#e6edf3'}}`,
    `.qkv-frame{fill:none;stroke:${css(blend(theme, 0.35))}}`,
    values,
  ].join('');
}

const STYLE = /* @__PURE__ */ (() =>
  [
    `.qkv text{font:${FONT}px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;white-space:pre}`,
    '.qkv .qkv-heading{font-weight:bold}.qkv-middle,.qkv-value{text-anchor:middle}.qkv-end{text-anchor:end}.qkv-nan{fill:#d1242f}',
    themeStyle(LIGHT, '.qkv-value{fill:#000}.qkv-on-light{fill:#fff}'),
    `@media(prefers-color-scheme:dark){${themeStyle(DARK, '.qkv-value,.qkv-on-light{fill:#fff}.qkv-on-dark{fill:#000}')}}`,
  ].join(''))();
