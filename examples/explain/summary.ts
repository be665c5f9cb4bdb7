import { attentionWeights, heatmapAnsi, heatmapSvg, Matrix, scaledDotProductAttention } from 'qkv';
import type { Settings } from './arguments.js';
import { type Model, project, rowOptions } from './model.js';
import { fixed } from './numbers.js';
import { count, type Page, shown } from './page.js';
import { writeSum } from './sum.js';
import { headGroups, table } from './table.js';
import type { Tokens } from './tokens.js';

/** Words listed per head. */
const TOP = 8;
/** Beyond this many multiplications (about ten seconds in plain JavaScript) only the focus row is computed. An exponential counts as 16. */
const MOST_STEPS = 4e9;

/** What is computed for a long text: nothing here is larger than a few times L × dModel. */
export interface Summary {
  settings: Settings;
  text: Tokens;
  model: Model;
  focus: number;
  q: Matrix;
  k: Matrix;
  v: Matrix;
  /** The focus row of the weights, (1 × L) per head. */
  weights: Matrix[];
  /** (L × dModel), or undefined for a very long text. */
  output: Matrix | undefined;
  /** The focus row of the output. */
  focusOutput: Float32Array;
}

export function summarize(settings: Settings, text: Tokens, model: Model, focus: number): Summary {
  const { q, k, v } = project(model, model.x);
  const { heads, causal, dModel } = settings;
  const query = q.sliceRows(focus, focus + 1);
  const weights = attentionWeights(query, k, rowOptions(settings, focus));
  const all = q.rows ** 2 * (dModel + 16 * heads) <= MOST_STEPS;
  const output = all ? scaledDotProductAttention(q, k, v, { numHeads: heads, causal }) : undefined;
  const focusOutput = output?.row(focus) ?? scaledDotProductAttention(query, k, v, rowOptions(settings, focus)).row(0);
  return { settings, text, model, focus, q, k, v, weights, output, focusOutput };
}

/** Steps from the text to the output. */
export function explainSummary(page: Page, summary: Summary): boolean {
  explainSizes(page, summary);
  return explainFocusRow(page, summary);
}

function explainSizes(page: Page, { settings, text, model, focus, q, k, v, output, focusOutput }: Summary): void {
  const { tokens, ids, vocabulary } = text;
  const { heads, dModel, causal } = settings;
  const L = tokens.length;
  const word = shown(tokens[focus], 24);

  page.step('Text → tokens → ids', `${count(L, 'token')}, vocabulary of ${vocabulary.length}`);
  page.say(
    `The text is long, so this is a summary: sizes, and the row of ${word}, at position ${focus} of 0 … ${L - 1}.`,
  );
  page.line();
  page.say(
    `${tokens
      .slice(0, 8)
      .map((token, i) => `${shown(token, 20)} ${ids[i]}`)
      .join(', ')} … (token id)`,
  );

  page.step('Embeddings + positions = X', `${L} × ${dModel}  tokens × dModel`);
  page.say(`The row of ${word}:`);
  page.line();
  const rows = (list: [string, Matrix][], groups: number) => {
    const stacked = Matrix.concatRows(list.map(([, m]) => m.sliceRows(focus, focus + 1)));
    const names = list.map(([name]) => name);
    page.lines(table(names, headGroups(stacked, groups), { room: page.room }));
  };
  rows(
    [
      ['embedding', model.embedded],
      ['position', model.positions],
      ['x', model.x],
    ],
    1,
  );

  page.step('Queries, keys, values', `3 × (${L} × ${dModel})  tokens × heads·dK`);
  page.say(`X·W_Q, X·W_K, X·W_V: ${count(heads, 'head')} of dK = dV = ${model.dK} columns. The row of ${word}:`);
  page.line();
  rows(
    [
      ['q', q],
      ['k', k],
      ['v', v],
    ],
    heads,
  );

  page.step('Output = softmax(Q·Kᵀ / √dK)·V', `${output ? L : 1} × ${dModel}  tokens × heads·dV`);
  const scores = (heads * L * L).toLocaleString('en');
  page.say(`Q·Kᵀ would have ${heads} × ${L} × ${L} = ${scores} scores. They are never stored:`);
  if (output) page.say('each row is used up as soon as it is computed. Memory grows with L, not with L².');
  else page.say('and for a text of this length only the row in focus is computed.');
  if (causal) page.say('Causal: a word sees itself and the words before it.');
  page.line();
  page.lines(table(['output'], headGroups(new Matrix(1, dModel, focusOutput), heads), { room: page.room }));
}

function explainFocusRow(page: Page, summary: Summary): boolean {
  const { settings, text, model, focus, v, weights, focusOutput } = summary;
  const { heads } = settings;
  const L = text.tokens.length;
  const word = shown(text.tokens[focus], 24);
  page.step(`What ${word} attends to`, `${heads} × (1 × ${L})  heads × (query × keys)`);
  page.say(`The largest weights of each head, ${TOP} at most; the bars are relative to the largest.`);
  weights.forEach((row, h) => {
    const top = largest(row.data, TOP);
    const share = top.reduce((sum, j) => sum + row.data[j], 0);
    page.line();
    page.line(page.bold(`head ${h}`));
    for (const j of top) page.line(topLine(j, row.data[j], row.data[top[0]], text.tokens[j], L));
    page.line(
      `${fixed(share, 4)}  on these; ${fixed(Math.max(0, 1 - share), 4)} on the other ${L - top.length} tokens`,
    );
  });
  page.line();
  const { color } = page.medium;
  page.lines(
    heatmapAnsi(focusMap(summary), { ...mapLabels(summary), color, maxWidth: page.room })
      .trimEnd()
      .split('\n'),
  );

  page.step(`The output of ${word}, written out`, `1 × ${settings.dModel}`);
  page.say(`Row ${focus} of the weights says how much of each value goes into row ${focus} of the output.`);
  const agree = weights.map((row, head) => {
    page.line();
    const sum = { head, row: focus, weights: row.data, v, output: focusOutput, dV: model.dK };
    return writeSum(page, sum, text.tokens, largest(row.data, 4));
  });
  return agree.every((holds) => holds);
}

function topLine(j: number, weight: number, largestWeight: number, token: string, L: number): string {
  const bar = '█'.repeat(Math.round((16 * weight) / largestWeight)).padEnd(16);
  return `${fixed(weight, 4)}  ${bar}  ${String(j).padStart(String(L - 1).length)} ${shown(token, 30)}`;
}

/** The indices of the largest entries above 0, largest first; of equals the first. */
function largest(values: Float32Array, howMany: number): number[] {
  const top: number[] = [];
  for (let j = 0; j < values.length; j++) {
    if (values[j] === 0) continue;
    if (top.length === howMany && !(values[j] > values[top[howMany - 1]])) continue;
    const at = top.findIndex((t) => values[j] > values[t]);
    top.splice(at === -1 ? top.length : at, 0, j);
    top.length = Math.min(top.length, howMany);
  }
  return top;
}

/** The words of the heat map, in the order of the text: the largest weights of each head, eight at most. */
function focusColumns({ weights }: Summary): number[] {
  const columns = [0, 1, 2, 3].flatMap((rank) => weights.flatMap(({ data }) => largest(data, 4).slice(rank, rank + 1)));
  return [...new Set(columns)].slice(0, 8).sort((a, b) => a - b);
}

/** (heads × words): the part of the focus row that a page can show. */
function focusMap(summary: Summary): Matrix {
  const columns = focusColumns(summary);
  return Matrix.from(summary.weights.map(({ data }) => columns.map((j) => data[j])));
}

function mapLabels(summary: Summary) {
  const { weights, text } = summary;
  const columnLabels = focusColumns(summary).map((j) => `${j} ${text.tokens[j]}`);
  return { rowLabels: weights.map((_, h) => `head ${h}`), columnLabels };
}

/** The heat map of the focus row as SVG. */
export function summarySvg(summary: Summary): string {
  const { text, focus } = summary;
  const title = `What ${shown(text.tokens[focus], 30)} (position ${focus} of ${text.tokens.length}) attends to most`;
  return heatmapSvg(focusMap(summary), { ...mapLabels(summary), title });
}
