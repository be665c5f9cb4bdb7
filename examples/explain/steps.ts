import { type AttentionTrace, heatmapAnsi, heatmapSvg, type Matrix } from 'qkv';
import type { Settings } from './arguments.js';
import type { Model } from './model.js';
import { fixed, tiny } from './numbers.js';
import { count, type Page, shown } from './page.js';
import { writeSum } from './sum.js';
import { type Group, headGroups, pickRows, rowLabels, scoreGroups, table } from './table.js';
import type { Tokens } from './tokens.js';

/** Everything about a short text. */
export interface Explained {
  settings: Settings;
  text: Tokens;
  model: Model;
  trace: AttentionTrace;
  focus: number;
}

/** Steps from the text to X. */
export function explainInput(page: Page, { settings, text, model, focus }: Explained): void {
  const { tokens, ids, vocabulary } = text;
  const [L, d] = [tokens.length, settings.dModel];
  const rows = pickRows(L, focus);
  const matrix = (m: Matrix) => page.lines(table(rowLabels(tokens), headGroups(m, 1), { room: page.room, rows }));

  page.step('Text → tokens', count(L, 'token'));
  page.say('Words and punctuation marks; white space only separates.');
  page.line();
  page.say(tokens.map((token) => shown(token, 30)).join(' '));

  page.step('Tokens → ids', `${count(L, 'id')}, vocabulary of ${vocabulary.length}`);
  page.say('A token’s id is its place in the vocabulary: the different tokens in the order they appear.');
  page.line();
  const id: Group = { columns: ['id'], cell: (r) => String(ids[r]) };
  page.lines(table(rowLabels(tokens), [id], { room: page.room, rows }));

  page.step('Ids → embeddings', `${L} × ${d}  tokens × dModel`);
  page.say(`Row id of a table of ${vocabulary.length} × ${d} random numbers (a trained model has learned them).`);
  page.line();
  matrix(model.embedded);

  page.step('Positions', `${L} × ${d}  tokens × dModel`);
  page.say('Sinusoidal: column 2i is sin(p / 10000^(2i/dModel)), column 2i + 1 its cosine, at position p.');
  page.line();
  matrix(model.positions);

  page.step('X = embeddings + positions', `${L} × ${d}  tokens × dModel`);
  page.say('What a word is and where it stands, in one row.');
  page.line();
  matrix(model.x);
}

/** Steps from X to the output. */
export function explainAttention(page: Page, explained: Explained): void {
  const { settings, text, model, trace, focus } = explained;
  const { heads, dModel, causal } = settings;
  const L = text.tokens.length;
  const rows = pickRows(L, focus);
  const labels = rowLabels(text.tokens);
  const perHead = (m: Matrix) => page.lines(table(labels, headGroups(m, heads), { room: page.room, rows }));
  const pairs = (m: Matrix) =>
    page.lines(table(labels, scoreGroups(m, heads, text.tokens), { room: page.room, rows, wrap: true }));
  const square = heads === 1 ? `${L} × ${L}  queries × keys` : `${heads} × (${L} × ${L})  heads × (queries × keys)`;

  page.step('Queries, keys, values', `3 × (${L} × ${dModel})  tokens × heads·dK`);
  page.say(`Three projections of every row of X; ${count(heads, 'head')} of dK = dV = ${model.dK} columns each.`);
  for (const [name, matrix, meaning] of [
    ['Q', trace.q, 'what a word looks for'],
    ['K', trace.k, 'what it is found by'],
    ['V', trace.v, 'what it hands over'],
  ] as const) {
    page.line();
    page.line(
      `${page.bold(`${name} = X·W_${name}`)}  ${page.dim(`(${L} × ${dModel})·(${dModel} × ${dModel})`)}  ${meaning}`,
    );
    perHead(matrix);
  }

  page.step('Scores = Q·Kᵀ', square);
  page.say('How well the query of a row fits the key of a column: their dot product.');
  page.line();
  pairs(trace.scores);

  page.step('Scaled scores = scores / √dK', square);
  page.say(`√${model.dK} = ${fixed(Math.sqrt(model.dK))}: keeps the scores from growing with the width.`);
  page.line();
  pairs(trace.scaledScores);

  page.step('Weights = softmax of each row', square);
  page.say('exp of each score, divided by the sum of the row: positive, and every row sums to 1.');
  if (causal) page.say('Causal: a word sees itself and the words before it. Later ones count as −∞ and get weight 0.');
  page.say(`Largest distance of a row’s sum from 1: ${tiny(sumError(trace.weights))}.`);
  page.line();
  pairs(trace.weights);
  page.line();
  const { color } = page.medium;
  const map = heatmapAnsi(headMatrices(trace.weights, heads), { ...mapLabels(explained), color, maxWidth: page.room });
  page.lines(map.trimEnd().split('\n'));

  page.step('Output = weights·V', `${L} × ${dModel}  tokens × heads·dV`);
  page.say('Every word becomes a mixture of values; the heads stand side by side.');
  page.line();
  perHead(trace.output);
}

/** The focus row of the output, written out as a sum. @returns  whether all heads agree with it */
export function explainFocus(page: Page, { settings, text, model, trace, focus }: Explained): boolean {
  const L = text.tokens.length;
  page.step(`The output of ${shown(text.tokens[focus], 24)}, written out`, `1 × ${settings.dModel}`);
  page.say(`Row ${focus} of the weights says how much of each value goes into row ${focus} of the output.`);
  const weights = headMatrices(trace.weights, settings.heads);
  const agree = weights.map((w, head) => {
    page.line();
    const row = { head, row: focus, weights: w.row(focus), v: trace.v, output: trace.output.row(focus), dV: model.dK };
    return writeSum(page, row, text.tokens, pickRows(L, focus));
  });
  return agree.every((holds) => holds);
}

/** The heat maps as SVG. */
export function stepsSvg(explained: Explained): string {
  const { settings, text, trace } = explained;
  const title = `Attention weights of ${shown(text.tokens.join(' '), 80)}${settings.causal ? ', causal' : ''}`;
  return heatmapSvg(headMatrices(trace.weights, settings.heads), { ...mapLabels(explained), title });
}

function mapLabels({ settings, text: { tokens } }: Explained) {
  const headLabels = Array.from({ length: settings.heads }, (_, h) => `head ${h}`);
  return { rowLabels: tokens, columnLabels: tokens, headLabels };
}

/** (heads·L × L) as one (L × L) matrix per head. */
function headMatrices(stacked: Matrix, heads: number): Matrix[] {
  const rows = stacked.rows / heads;
  return Array.from({ length: heads }, (_, h) => stacked.sliceRows(h * rows, (h + 1) * rows));
}

function sumError(weights: Matrix): number {
  const distances = Array.from({ length: weights.rows }, (_, r) =>
    Math.abs(weights.row(r).reduce((a, b) => a + b, 0) - 1),
  );
  return distances.reduce((most, value) => (value <= most ? most : value), 0);
}
