import { Matrix, sinusoidalPositions } from 'qkv';
import { distance, type Model, project } from './model.js';
import { fixed, subscript, tiny } from './numbers.js';
import { type Page, shown } from './page.js';
import { type Group, table } from './table.js';
import { repeatedWord, type Tokens } from './tokens.js';

/**
 * The same word at two positions: one embedding, one W_Q, W_K, W_V, but different q, k, v.
 * If no word of the text occurs twice, its first word is appended once more.
 */
export function explainSharing(page: Page, model: Model, text: Tokens, focus: number): void {
  const { tokens, ids, isWord } = text;
  const repeated = repeatedWord(text, focus);
  const first = Math.max(0, isWord.indexOf(true));
  const [a, b] = repeated ?? [first, tokens.length];
  const word = shown(tokens[a], 24);
  page.step('Shared projections: the same word twice', `2 × (1 × ${model.x.cols})`);
  if (repeated) page.say(`${word} stands at ${a} and at ${b}.`);
  else
    page.say(
      `No word occurs twice here. Imagine ${word} once more at the end of the text: it stands at ${a} and at ${b}.`,
    );
  page.say('Both have one id and one row of the table, and every row of X meets the same W_Q, W_K, W_V.');
  page.say('Only the position differs, so x differs, and with it q, k and v:');
  page.line();

  const embedded = model.embedding.forward([ids[a], ids[a]]);
  const x = embedded.add(Matrix.concatRows([a, b].map((p) => sinusoidalPositions(1, model.x.cols, { offset: p }))));
  const pairs: [string, Matrix][] = [['e', embedded], ['x', x], ...Object.entries(project(model, x))];
  const names = pairs.flatMap(([name]) => [name + subscript(a), name + subscript(b)]);
  const apart: Group = {
    columns: ['apart'],
    cell: (r) => (r % 2 === 0 ? '' : fixed(distance(...rowsOf(pairs[r >> 1][1])))),
  };
  const values: Group = {
    columns: Array.from({ length: x.cols }, (_, c) => String(c)),
    cell: (r, c) => fixed(pairs[r >> 1][1].get(r % 2, c)),
  };
  page.lines(table(names, [apart, values], { room: page.room }));
  page.line();
  const bare = Object.entries(project(model, embedded)).map(([name, m]) => `${name} ${tiny(distance(...rowsOf(m)))}`);
  page.say(`e: embedding; apart: Euclidean distance ‖row${subscript(a)} − row${subscript(b)}‖.`);
  page.say(`Without positions (x = e) they would be apart by: ${bare.join(', ')}.`);
}

function rowsOf(pair: Matrix): [Float32Array, Float32Array] {
  return [pair.row(0), pair.row(1)];
}
