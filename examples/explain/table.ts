import type { Matrix } from 'qkv';
import { displayWidth, pad, truncate, visibleLabel } from '../../src/inspect/labels.js';
import { fixed } from './numbers.js';

/** Columns that belong together: one head, say. */
export interface Group {
  heading?: string;
  columns: readonly string[];
  cell: (row: number, column: number) => string;
}

export interface TableOptions {
  /** Columns of the page; what does not fit is left out, with … and a count. */
  room: number;
  /** Rows to show; others become ⋮. Default all. */
  rows?: readonly number[];
  /** Put a group that does not fit below the one before it, instead of leaving it out. */
  wrap?: boolean;
}

/** A label is cut to this many columns. */
const LABEL = 14;
const [GAP, SEPARATOR, CUT] = ['  ', ' │', '  …'];

/** A column, ready to print. */
interface Column {
  group: number;
  header: string;
  cells: string[];
  width: number;
}

/** Lines of an aligned table with row labels `0 I`, `1 am` … */
export function table(labels: readonly string[], groups: readonly Group[], options: TableOptions): string[] {
  const rows = options.rows ?? labels.map((_, r) => r);
  const names = rows.map((r) => truncate(visibleLabel(labels[r]), LABEL));
  const left = names.reduce((most, name) => Math.max(most, displayWidth(name)), 0);
  const columns = groups.flatMap((group, g) => columnsOf(group, g, rows));
  const total = columns.length;
  const blocks = options.wrap
    ? wrapped(columns, groups.length, options.room - left)
    : [fitting(columns, options.room - left)];
  const lines = blocks.flatMap(({ columns: shownColumns, cut }, b) => {
    const end = cut ? CUT : '';
    const header = line('', left, shownColumns, (column) => column.header) + end;
    const body = rows.flatMap((r, i) => {
      const gap = i > 0 && rows[i - 1] !== r - 1 ? [pad('⋮', left)] : [];
      return [...gap, line(names[i], left, shownColumns, (column) => column.cells[i]) + end];
    });
    const space = b === 0 ? [] : [''];
    return [...space, ...headings(groups, shownColumns, left), header, ...body];
  });
  const fewer = blocks.reduce((sum, { columns: shownColumns }) => sum + shownColumns.length, 0);
  const notes = [
    ...(rows.length < labels.length ? [`${rows.length} of ${labels.length} rows`] : []),
    ...(fewer < total ? [`${options.wrap ? '' : 'the first '}${fewer} of ${total} columns`] : []),
  ];
  return notes.length === 0 ? lines : [...lines, `(… shown: ${notes.join(', ')})`];
}

/** Row labels `0 I`, `1 am` …, their numbers aligned. */
export function rowLabels(tokens: readonly string[]): string[] {
  const digits = String(tokens.length - 1).length;
  return tokens.map((token, i) => `${String(i).padStart(digits)} ${token}`);
}

/** All rows of a short text; of a longer one the first, the focus and the last. */
export function pickRows(count: number, focus: number): number[] {
  const all = Array.from({ length: count }, (_, r) => r);
  return count <= 12 ? all : all.filter((r) => r < 5 || r === focus || r >= count - 3);
}

/** The columns of a matrix, one group per head. */
export function headGroups(matrix: Matrix, heads: number): Group[] {
  const width = matrix.cols / heads;
  return Array.from({ length: heads }, (_, h) => ({
    heading: heads === 1 ? undefined : `head ${h}`,
    columns: Array.from({ length: width }, (_, c) => String(h * width + c)),
    cell: (r, c) => fixed(matrix.get(r, h * width + c)),
  }));
}

/** A (heads·L × L) matrix of scores, one group per head, its columns named by the keys. */
export function scoreGroups(matrix: Matrix, heads: number, keys: readonly string[]): Group[] {
  const rows = matrix.rows / heads;
  return Array.from({ length: heads }, (_, h) => ({
    heading: heads === 1 ? undefined : `head ${h}`,
    columns: keys,
    cell: (r, c) => fixed(matrix.get(h * rows + r, c)),
  }));
}

function columnsOf({ columns, cell }: Group, group: number, rows: readonly number[]): Column[] {
  return columns.map((name, c) => {
    const cells = rows.map((r) => cell(r, c));
    const label = visibleLabel(name);
    const widest = cells.reduce((most, text) => Math.max(most, displayWidth(text)), 0);
    const width = Math.max(widest, Math.min(LABEL, displayWidth(label)));
    return { group, header: label, cells, width };
  });
}

/** The width of a column, with the space before it. */
function extent(column: Column, before: Column | undefined): number {
  const separator = before !== undefined && before.group !== column.group ? SEPARATOR.length : 0;
  return GAP.length + separator + column.width;
}

interface Block {
  columns: Column[];
  cut: boolean;
}

/** As many columns as fit. */
function fitting(columns: readonly Column[], room: number): Block {
  let used = 0;
  for (let c = 0; c < columns.length; c++) {
    used += extent(columns[c], columns[c - 1]);
    const last = c === columns.length - 1;
    if (used + (last ? 0 : CUT.length) > room) return { columns: columns.slice(0, Math.max(1, c)), cut: true };
  }
  return { columns: [...columns], cut: false };
}

/** Whole groups side by side while they fit, then below; a group too wide for the page is cut. */
function wrapped(columns: readonly Column[], groups: number, room: number): Block[] {
  const blocks: Block[] = [];
  for (let g = 0; g < groups; g++) {
    const group = columns.filter((column) => column.group === g);
    const last = blocks[blocks.length - 1];
    const joined = last && !last.cut ? fitting([...last.columns, ...group], room) : undefined;
    if (joined && !joined.cut) blocks[blocks.length - 1] = joined;
    else blocks.push(fitting(group, room));
  }
  return blocks;
}

function line(name: string, left: number, columns: readonly Column[], text: (column: Column) => string): string {
  const cells = columns.map((column, i) => {
    const separator = i > 0 && columns[i - 1].group !== column.group ? SEPARATOR : '';
    return separator + GAP + pad(text(column), column.width, 'right');
  });
  return pad(name, left) + cells.join('');
}

/** The headings of the groups above their first columns; none if no group has one. */
function headings(groups: readonly Group[], columns: readonly Column[], left: number): string[] {
  if (groups.every(({ heading }) => heading === undefined)) return [];
  let out = ' '.repeat(left);
  let at = left;
  columns.forEach((column, i) => {
    if (i === 0 || columns[i - 1].group !== column.group) {
      const separator = i === 0 ? '' : SEPARATOR;
      out = `${pad(out, at)}${separator}${GAP}${groups[column.group].heading ?? ''}`;
    }
    at += extent(column, columns[i - 1]);
  });
  return [out];
}
