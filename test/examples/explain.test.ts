import { Embedding, type Matrix, SelfAttention, sinusoidalPositions } from 'qkv';
import { beforeAll, describe, expect, it } from 'vitest';
import { requireBuilt } from '../support/built.js';
import { pageOf, section, tableRows, vectorOf } from './page.js';

beforeAll(requireBuilt);

const WORDS = ['I', 'am', 'a', 'robot'];
/** Numbers on the page have three decimals: half a unit of the last, and a rounding of float32. */
const PRINTED = 5e-4 + 1e-6;

/** What the page shows, computed here with plain loops in float64 from the parameters of its layers. */
function expected(ids: number[], { heads = 2, dModel = 8, seed = 1, causal = false } = {}) {
  const embedding = new Embedding(Math.max(...ids) + 1, dModel, { seed });
  const layer = new SelfAttention({ dModel, numHeads: heads, seed: seed + 1 });
  const embeddings = ids.map((id) => Array.from(embedding.table.row(id)));
  const positions = sinusoidalPositions(ids.length, dModel).toArray();
  const x = embeddings.map((row, p) => row.map((value, c) => value + positions[p][c]));
  const times = (w: Matrix) =>
    x.map((row) => Array.from({ length: w.cols }, (_, c) => row.reduce((s, v, k) => s + v * w.get(k, c), 0)));
  const [q, k, v] = [layer.W_Q, layer.W_K, layer.W_V].map(times);
  const dK = dModel / heads;
  const byHead = <T>(f: (columns: number[]) => T) =>
    Array.from({ length: heads }, (_, h) => f(Array.from({ length: dK }, (_, c) => h * dK + c)));
  const scores = byHead((cols) => q.map((a) => k.map((b) => cols.reduce((s, c) => s + a[c] * b[c], 0))));
  const scaled = scores.map((head) => head.map((row) => row.map((s) => s / Math.sqrt(dK))));
  const weights = scaled.map((head) =>
    head.map((row, i) => {
      const powers = row.map((s, j) => (causal && j > i ? 0 : Math.exp(s)));
      const sum = powers.reduce((a, b) => a + b, 0);
      return powers.map((power) => power / sum);
    }),
  );
  const output = byHead((cols) => cols).map((cols, h) =>
    weights[h].map((row) => cols.map((c) => row.reduce((s, w, j) => s + w * v[j][c], 0))),
  );
  return { embeddings, positions, x, q, k, v, scores, scaled, weights, output };
}

/** A (tokens × columns) matrix as tableRows gives it: a list of rows, each a list of heads. */
const inHeads = (matrix: number[][], heads: number) =>
  matrix.map((row) =>
    Array.from({ length: heads }, (_, h) => row.slice((h * row.length) / heads, ((h + 1) * row.length) / heads)),
  );
const rowsFirst = (perHead: number[][][]) => perHead[0].map((_, r) => perHead.map((head) => head[r]));

function expectPrinted(actual: number[][][], wanted: number[][][], shape: number[]): void {
  expect([actual.length, actual[0]?.length, actual[0]?.[0]?.length]).toEqual(shape);
  const pairs = actual.flatMap((row, r) => row.flatMap((head, h) => head.map((value, c) => [value, wanted[r][h][c]])));
  for (const [value, exact] of pairs) expect(Math.abs(value - exact)).toBeLessThanOrEqual(PRINTED);
}

describe('the page of the default sentence', () => {
  const page = () => pageOf([]);

  it('shows every step in order, with its shape', () => {
    const headings = page()
      .split('\n')
      .filter((line) => /^\d+ {2}/.test(line));
    expect(headings.map((line) => line.replace(/ {2,}/g, '  '))).toEqual([
      '1  Text → tokens  4 tokens',
      '2  Tokens → ids  4 ids, vocabulary of 4',
      '3  Ids → embeddings  4 × 8  tokens × dModel',
      '4  Positions  4 × 8  tokens × dModel',
      '5  X = embeddings + positions  4 × 8  tokens × dModel',
      '6  Queries, keys, values  3 × (4 × 8)  tokens × heads·dK',
      '7  Scores = Q·Kᵀ  2 × (4 × 4)  heads × (queries × keys)',
      '8  Scaled scores = scores / √dK  2 × (4 × 4)  heads × (queries × keys)',
      '9  Weights = softmax of each row  2 × (4 × 4)  heads × (queries × keys)',
      '10  Output = weights·V  4 × 8  tokens × heads·dV',
      '11  The output of “robot”, written out  1 × 8',
      '12  Shared projections: the same word twice  2 × (1 × 8)',
    ]);
    expect(page()).toMatch(/^Self-attention of “I am a robot”\n/);
    expect(section(page(), 'Text →').join('\n')).toContain('“I” “am” “a” “robot”');
    expect(tableRows(section(page(), 'Tokens →'), WORDS)).toEqual([[[0]], [[1]], [[2]], [[3]]]);
  });

  it('shows the values of the formulas at every step', () => {
    const text = page();
    const wanted = expected([0, 1, 2, 3]);
    const rows = (words: string) => tableRows(section(text, words), WORDS);
    expectPrinted(rows('embeddings'), inHeads(wanted.embeddings, 1), [4, 1, 8]);
    expectPrinted(rows('Positions'), inHeads(wanted.positions, 1), [4, 1, 8]);
    expectPrinted(rows('X ='), inHeads(wanted.x, 1), [4, 1, 8]);
    const projected = [...wanted.q, ...wanted.k, ...wanted.v];
    expectPrinted(rows('Queries'), inHeads(projected, 2), [12, 2, 4]);
    expectPrinted(rows('Scores ='), rowsFirst(wanted.scores), [4, 2, 4]);
    expectPrinted(rows('Scaled'), rowsFirst(wanted.scaled), [4, 2, 4]);
    expectPrinted(rows('Weights ='), rowsFirst(wanted.weights), [4, 2, 4]);
    expectPrinted(rows('Output ='), rowsFirst(wanted.output), [4, 2, 4]);
  });

  it('writes output₃ = Σ weight₃ⱼ·vⱼ out, and its numbers add up to the row of the output', () => {
    const lines = section(page(), 'written out');
    const output = tableRows(section(page(), 'Output ='), WORDS)[3];
    expect(lines.join('\n')).toContain('output₃ = Σⱼ weight₃ⱼ·vⱼ');
    expect(lines.join('\n')).toContain('= weight₃₀·v₀ + weight₃₁·v₁ + weight₃₂·v₂ + weight₃₃·v₃\n');
    for (const head of [0, 1]) {
      const start = lines.findIndex((line) => line.includes(`head ${head}`));
      const terms = lines
        .slice(start + 2, start + 6)
        .map((line) => ({ weight: Number(/[\d.]+/.exec(line)?.[0]), v: vectorOf(line) }));
      const [sum, row] = lines.slice(start + 6, start + 8).map(vectorOf);
      expect(row).toEqual(output[head]);
      expect(sum).toEqual(row);
      row.forEach((value, c) => {
        const total = terms.reduce((s, { weight, v }) => s + weight * v[c], 0);
        // Half a unit of the last decimal of each weight (1e-4) and value (1e-3), and of the row itself.
        const rounding = terms.reduce((s, { weight, v }) => s + 5e-5 * Math.abs(v[c]) + 5e-4 * weight, PRINTED);
        expect(Math.abs(total - value)).toBeLessThanOrEqual(rounding);
      });
      expect(lines[start + 8]).toMatch(/✓ apart by \S+, float32 allows \S+$/);
    }
  });

  it('shows a heat map a head, plain where it is piped', () => {
    const map = section(page(), 'Weights =').join('\n');
    const weights = expected([0, 1, 2, 3]).weights;
    expect(page()).not.toContain('\u001b');
    weights.forEach((head, h) => {
      expect(map).toContain(`   head ${h}\n              I     am      a  robot\n`);
      for (const value of head.flat())
        expect(map).toMatch(new RegExp(` ${value.toFixed(2).replace('.', '\\.')}[░▒▓█]?\\s`));
    });
  });

  it('is the same every time', () => {
    expect(page()).toBe(page());
  });
});

describe('options', () => {
  it('--causal gives later words weight 0', () => {
    const page = pageOf(['--causal']);
    const rows = tableRows(section(page, 'Weights ='), WORDS);
    rows.forEach((heads, i) => {
      for (const row of heads) {
        expect(row.slice(i + 1)).toEqual(row.slice(i + 1).map(() => 0));
        expect(Math.abs(row.reduce((a, b) => a + b, 0) - 1)).toBeLessThanOrEqual(row.length * PRINTED);
      }
    });
    expectPrinted(rows, rowsFirst(expected([0, 1, 2, 3], { causal: true }).weights), [4, 2, 4]);
    expect(section(page, 'Weights =').join(' ')).toMatch(/later ones/i);
  });

  it('--heads, --d-model and --seed build that layer', () => {
    const page = pageOf(['--heads', '4', '--d-model', '16', '--seed', '7']);
    const wanted = expected([0, 1, 2, 3], { heads: 4, dModel: 16, seed: 7 });
    const rows = tableRows(section(page, 'Weights ='), WORDS);
    const perHead = Array.from({ length: rows.length / 4 }, (_, block) => rows.slice(4 * block, 4 * block + 4));
    const side = perHead[0][0].length;
    const joined = [0, 1, 2, 3].map((r) => perHead.flatMap((block) => block[r]));
    expect(side).toBeLessThanOrEqual(4);
    expectPrinted(joined, rowsFirst(wanted.weights), [4, 4, 4]);
  });

  it('--focus writes that word out, in any case, and the last word without it', () => {
    expect(pageOf(['--focus', 'am'])).toContain('output₁ = Σⱼ weight₁ⱼ·vⱼ');
    expect(pageOf(['--focus', 'i'])).toContain('output₀ = Σⱼ weight₀ⱼ·vⱼ');
    expect(pageOf(['I am a robot.'])).toContain('The output of “robot”');
  });

  it('each option changes the page', () => {
    const pages = [
      [],
      ['--heads', '4'],
      ['--d-model', '16'],
      ['--causal'],
      ['--focus', 'a'],
      ['--seed', '2'],
      ['You are a robot'],
    ].map((args) => pageOf(args));
    expect(new Set(pages).size).toBe(pages.length);
  });

  it('wide rows end with …, and the page says how many columns it left out', () => {
    const page = pageOf(['--d-model', '64']);
    expect(section(page, 'X =').join('\n')).toMatch(/ {2}…\n[\s\S]*shown: the first \d of 64 columns/);
    for (const line of page.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('words need no quotation marks around the sentence', () => {
    expect(pageOf(['I', 'am', 'a', 'robot'])).toBe(pageOf([]));
  });

  it('--help explains every option', () => {
    const help = pageOf(['--help']);
    for (const option of [
      '--file',
      '--heads',
      '--d-model',
      '--causal',
      '--focus',
      '--seed',
      '--svg',
      '--help',
      'NO_COLOR',
    ]) {
      expect(help).toContain(option);
    }
    expect(pageOf(['-h', '--seed', '3'])).toBe(help);
  });
});

describe('color', () => {
  it.each([
    [{}, false],
    [{ FORCE_COLOR: '1' }, true],
    [{ FORCE_COLOR: '3', NO_COLOR: '1' }, true],
    [{ FORCE_COLOR: '0' }, false],
    [{ FORCE_COLOR: '' }, false],
    [{ NO_COLOR: '1' }, false],
  ])('with %j: %j', (env, color) => {
    const page = pageOf([], env);
    expect(page.includes('\u001b[48;2;')).toBe(color);
    expect(page.includes('\u001b')).toBe(color);
  });
});

describe('sharing the projections', () => {
  const apart = (page: string) => {
    const lines = section(page, 'same word twice').join('\n');
    return Object.fromEntries(
      [...lines.matchAll(/^ +([exqkv])[₀-₉]+ +(\d\.\d+) │/gm)].map(([, name, value]) => [name, Number(value)]),
    );
  };

  it('the same word twice has one embedding but different x, q, k, v', () => {
    const page = pageOf(['the robot sees the robot', '--focus', 'robot']);
    const { e, ...others } = apart(page);
    expect(e).toBe(0);
    expect(Object.keys(others)).toEqual(['x', 'q', 'k', 'v']);
    for (const value of Object.values(others)) expect(value).toBeGreaterThan(0.01);
    expect(page).toContain('“robot” stands at 1 and at 4.');
    expect(page).toContain('apart by: q 0, k 0, v 0.');
    // The rows are those of the table of Q above.
    const [first, second] = [1, 4].map((p) =>
      tableRows(section(page, 'Queries'), ['the', 'robot', 'sees', 'the', 'robot'])[p].flat(),
    );
    const distance = Math.sqrt(first.reduce((s, value, c) => s + (value - second[c]) ** 2, 0));
    expect(Math.abs(distance - others.q)).toBeLessThanOrEqual(Math.sqrt(8) * 2 * PRINTED + PRINTED);
  });

  it('where no word occurs twice, the first one is put behind the text', () => {
    const page = pageOf([]);
    expect(section(page, 'same word twice').join(' ')).toMatch(/No word occurs twice here\. Imagine “I” once more/);
    expect(apart(page).e).toBe(0);
    expect(apart(page).q).toBeGreaterThan(0.01);
  });
});

describe('texts of every kind', () => {
  it.each([
    ['我是机器人', ['我是', '机器', '人']],
    ['私はロボットです。', ['私', 'は', 'ロボット', 'です', '。']],
    ['Don’t stop — 3.14!', ['Don’t', 'stop', '—', '3.14', '!']],
    ['👩‍🚀 flies', ['👩‍🚀', 'flies']],
    ['word', ['word']],
    ['?!', ['?', '!']],
  ])('%s', (text, tokens) => {
    const page = pageOf([text]);
    expect(section(page, 'Text →').join('\n')).toContain(tokens.map((token) => `“${token}”`).join(' '));
  });

  it('no control character of the text reaches the terminal', () => {
    const page = pageOf(['a\u001b[31mb c\u0007 \u202ed\u009b e']);
    expect(page.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
  });
});
