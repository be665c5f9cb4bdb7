import { describe, expect, it } from 'vitest';
import { heatmapAnsi, Matrix } from '../../src/index.js';
import { displayWidth } from '../../src/inspect/labels.js';

const words = ['I', 'am', 'a', 'robot'];
const weights = Matrix.randomNormal(4, 4, { seed: 3 }).softmax();
const named = { rowLabels: words, columnLabels: words };
// The only escape sequences that a map may hold: colors, and back.
const COLOUR = new RegExp(`${String.fromCharCode(27)}\\[(?:[34]8;2;\\d+;\\d+;\\d+|0)m`, 'g');
const withoutColor = (text: string) => text.replace(COLOUR, '');

describe('heatmapAnsi', () => {
  it('paints a block with the value of every weight', () => {
    const map = heatmapAnsi(weights, named);
    const lines = map.split('\n');
    for (let r = 0; r < 4; r++) {
      const line = lines[r + 1];
      expect(line.startsWith(words[r].padEnd(6))).toBe(true);
      expect(line.match(/48;2;/g)).toHaveLength(4);
      expect(withoutColor(line).split(/\s+/).slice(1, 5)).toEqual(Array.from(weights.row(r), (w) => w.toFixed(2)));
      expect(line.endsWith('\u001b[0m')).toBe(true);
    }
    expect(withoutColor(lines[0]).trim().split(/\s+/)).toEqual(words);
  });

  it('brightens with the weight', () => {
    const colors = [...heatmapAnsi(Matrix.from([[0, 0.5, 1]])).matchAll(/48;2;(\d+);(\d+);(\d+)m/g)].slice(0, 3);
    const sums = colors.map(([, red, green, blue]) => Number(red) + Number(green) + Number(blue));
    expect(sums[0]).toBeLessThan(sums[1]);
    expect(sums[1]).toBeLessThan(sums[2]);
  });

  it('color: false has values and shades, and no escape sequence', () => {
    const map = heatmapAnsi(Matrix.from([[0, 0.25, 0.5, 0.75, 1]]), { color: false });
    expect(map).not.toContain('\u001b');
    expect(map.split('\n')[1].split(/\s+/)).toEqual(['0', '0', '0.25░', '0.50▒', '0.75▓', '1.00█']);
    expect(map).toContain('0 [  ░░▒▒▓▓██] 1.00');
  });

  it.each([true, false])('aligns labels of every script by what a terminal shows (color: %s)', (color) => {
    const labels = ['robot', '机器人', 'ロボット', 'e\u0301te\u0301', '👩‍🚀', 'שלום', '로봇'];
    const square = Matrix.randomUniform(7, 7, { seed: 2, low: 0.1 });
    const lines = withoutColor(heatmapAnsi(square, { rowLabels: labels, columnLabels: labels, color })).split('\n');
    for (const line of lines.slice(1, 8)) {
      const columns = [...line.matchAll(/0\.\d\d/g)].map(({ index }) => displayWidth(line.slice(0, index)));
      expect(columns).toEqual(
        [...lines[1].matchAll(/0\.\d\d/g)].map(({ index }) => displayWidth(lines[1].slice(0, index))),
      );
    }
    // A heading ends in the column in which the shortest value of a cell ends.
    const ends = [...lines[1].matchAll(/0\.\d\d/g)].map(({ index }) => displayWidth(lines[1].slice(0, index)) + 4);
    const headEnd = displayWidth(lines[0].slice(0, lines[0].indexOf('robot'))) + 'robot'.length;
    expect(headEnd - ends[0]).toBe(color ? 0 : 1); // the shade stands behind the value
  });

  it('draws maps that are too wide with narrow cells and labels written downwards', () => {
    const many = Matrix.randomUniform(20, 20, { seed: 2 });
    const labels = Array.from({ length: 20 }, (_, i) => `w${i}`);
    const lines = withoutColor(heatmapAnsi(many, { rowLabels: labels, columnLabels: labels })).split('\n');
    expect(lines[0].trimEnd()).toBe((' '.repeat(4 + 2 * 10) + 'w '.repeat(10)).trimEnd());
    expect(displayWidth(lines[5])).toBe(4 + 40);
    const plain = heatmapAnsi(many, { color: false }).split('\n');
    expect(
      plain
        .find((line) => line.startsWith('7 '))
        ?.trim()
        .split(/\s+/),
    ).toEqual([
      '7',
      ...Array.from(many.row(7), (value) => String(Math.min(99, Math.floor((100 * value) / Math.max(...many.data))))),
    ]);
    expect(heatmapAnsi(many, { maxWidth: 200, color: false })).toContain('0 [');
  });

  it('writes · for the lower end alone, and 0 for what lies just above it', () => {
    const line = heatmapAnsi(Matrix.from([[0, 1e-6, 0.009, 0.015, 0.999, 1]]), { color: false, maxWidth: 8 });
    expect(line).toMatch(/ · {2}0 {2}0 {2}1 99 99$/m);
  });

  it('draws several maps below each other, on one scale', () => {
    const map = heatmapAnsi([weights, weights.scale(0.5)], { ...named, color: false, headLabels: ['first', 'second'] });
    expect(map).toMatch(/^first\n[\s\S]*\n\nsecond\n/);
    expect(map.match(/ \[ {2}░░▒▒▓▓██\] /g)).toHaveLength(1);
    expect(heatmapAnsi([weights, weights])).toMatch(/^head 0\n[\s\S]*\n\nhead 1\n/);
  });

  it('takes the ends of the scale', () => {
    const cell = (options: object) => heatmapAnsi(Matrix.from([[0.5]]), { color: false, ...options }).split('\n')[1];
    expect(cell({})).toBe('0 0.50█');
    expect(cell({ high: 1 })).toBe('0 0.50▒');
    expect(cell({ high: 1, low: 0.45 })).toBe('0 0.50');
  });

  it('shows NaN, infinities and empty maps', () => {
    const odd = Matrix.from([[Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, 1]]);
    expect(heatmapAnsi(odd, { color: false })).toMatch(/NaN! +-∞ +∞█ +1\.00█/);
    expect(withoutColor(heatmapAnsi(odd))).toMatch(/NaN +-∞ +∞ +1\.00/);
    expect(heatmapAnsi(odd)).not.toMatch(/48;2;NaN/);
    expect(heatmapAnsi(odd, { color: false, maxWidth: 8 })).toMatch(/!! +· 99 99/);
    for (const [rows, cols] of [
      [0, 0],
      [0, 3],
      [3, 0],
    ])
      expect(heatmapAnsi(new Matrix(rows, cols))).toMatch(/columns\n$/);
  });

  it.each(['\u001b[2J', '\u001b]0;title\u0007', '\u009b31m', 'a\rb', 'a\nb', '\b\b', '\u202etxt', 'x\ud800', '\u0000'])(
    'label %j cannot steer the terminal',
    (label) => {
      for (const color of [true, false]) {
        for (const maxWidth of [80, 4]) {
          const options = { rowLabels: [label], columnLabels: [label], headLabels: [label], color, maxWidth };
          const map = withoutColor(heatmapAnsi(Matrix.from([[1]]), options));
          expect(map.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]/u);
          expect(map.split('\n')[0]).not.toBe('');
        }
      }
    },
  );

  it('refuses wrong options', () => {
    expect(() => heatmapAnsi(weights, { color: 1 as unknown as boolean })).toThrow(
      'heatmapAnsi: color must be true or false: got 1',
    );
    expect(() => heatmapAnsi(weights, { maxWidth: 0 })).toThrow(
      'heatmapAnsi: maxWidth must be an integer of at least 1: got 0',
    );
    expect(() => heatmapAnsi(weights, { title: 'x' } as object)).toThrow('every option must be known');
  });
});
