import { describe, expect, it } from 'vitest';
import { heatmapSvg, Matrix, ShapeError } from '../../src/index.js';
import { allElements, parseXml, textOf, type XmlElement } from '../support/xml.js';

const words = ['I', 'am', 'a', 'robot'];
const weights = Matrix.randomNormal(4, 4, { seed: 3 }).softmax();
const named = { rowLabels: words, columnLabels: words };

function parts(svg: string): { root: XmlElement; texts: string[]; tips: string[]; cells: XmlElement[] } {
  const root = parseXml(svg);
  const all = allElements(root);
  const cells = all.filter(({ name, children }) => name === 'rect' && children.length > 0);
  return {
    root,
    cells,
    texts: all.filter(({ name }) => name === 'text').map(textOf),
    tips: cells.map(textOf),
  };
}

describe('heatmapSvg', () => {
  it('is an image with a name, a title and a description', () => {
    const { root } = parts(heatmapSvg(weights, { ...named, title: 'Head 0' }));
    expect(root.name).toBe('svg');
    expect(root.attributes.get('xmlns')).toBe('http://www.w3.org/2000/svg');
    expect(root.attributes.get('role')).toBe('img');
    expect(root.attributes.get('aria-label')).toBe('Head 0');
    const [title, description] = root.children.filter((child) => typeof child !== 'string');
    expect([title.name, textOf(title)]).toEqual(['title', 'Head 0']);
    expect([description.name, textOf(description)]).toEqual(['desc', expect.stringContaining('4 rows and 4 columns')]);
    expect(parts(heatmapSvg(weights)).root.attributes.get('aria-label')).toBe('Attention weights');
  });

  it('has a cell for every weight: its opacity, its value, its tooltip', () => {
    const { cells, texts, tips } = parts(heatmapSvg(weights, named));
    expect(cells).toHaveLength(16);
    const high = Math.max(...weights.data);
    cells.forEach((cell, i) => {
      // Opacities are written with three decimals: half a unit of the last.
      expect(Math.abs(Number(cell.attributes.get('fill-opacity')) - weights.data[i] / high)).toBeLessThanOrEqual(5e-4);
      expect(texts).toContain(weights.data[i].toFixed(2));
    });
    expect(tips[7]).toBe(`am → robot: ${Number(weights.get(1, 3).toPrecision(4))}`);
    for (const word of words) expect(texts.filter((text) => text === word)).toHaveLength(2);
  });

  it('goes through a map that is not square row by row', () => {
    const wide = Matrix.from([
      [0.1, 0.2, 0.3],
      [0.4, 0.5, 0.6],
    ]);
    const { cells, tips } = parts(heatmapSvg(wide, { rowLabels: ['a', 'b'], columnLabels: ['x', 'y', 'z'] }));
    expect(tips).toEqual(['a → x: 0.1', 'a → y: 0.2', 'a → z: 0.3', 'b → x: 0.4', 'b → y: 0.5', 'b → z: 0.6']);
    expect(parts(heatmapSvg(wide.transpose())).tips).toEqual([
      '0 → 0: 0.1',
      '0 → 1: 0.4',
      '1 → 0: 0.2',
      '1 → 1: 0.5',
      '2 → 0: 0.3',
      '2 → 1: 0.6',
    ]);
    const at = (i: number, axis: string) => Number(cells[i].attributes.get(axis));
    expect([at(1, 'y'), at(3, 'x')]).toEqual([at(0, 'y'), at(0, 'x')]);
    expect([at(1, 'x') > at(0, 'x'), at(3, 'y') > at(0, 'y')]).toEqual([true, true]);
  });

  it('stands alone: no link, no script, no reference, no font to fetch', () => {
    const svg = heatmapSvg([weights, weights], named);
    expect(svg.replace('http://www.w3.org/2000/svg', '')).not.toMatch(
      /https?:|href|url\(|@import|<script|<image|<use|\son\w+=/i,
    );
  });

  it('follows the color scheme of the reader', () => {
    expect(heatmapSvg(weights)).toContain('@media(prefers-color-scheme:dark)');
  });

  it('puts several maps side by side, on one scale, each with a heading', () => {
    const { texts, cells, root } = parts(
      heatmapSvg([weights, weights.scale(0.5)], { ...named, headLabels: ['first', 'second'] }),
    );
    expect(texts).toEqual(expect.arrayContaining(['first', 'second']));
    expect(cells).toHaveLength(32);
    const opacity = (i: number) => Number(cells[i].attributes.get('fill-opacity'));
    expect(Math.abs(opacity(16) - opacity(0) / 2)).toBeLessThanOrEqual(1e-3); // two roundings to three decimals
    const places = allElements(root).flatMap(({ name, attributes }) =>
      name === 'g' ? [attributes.get('transform')] : [],
    );
    const [first, second] = places.map((place) => place?.match(/[\d.]+/g)?.map(Number) ?? []);
    expect(second[0]).toBeGreaterThan(first[0] + 4 * 46); // behind the four cells of the first
    expect(second[1]).toBe(first[1]);
    expect(parts(heatmapSvg([weights, weights])).texts).toEqual(expect.arrayContaining(['head 0', 'head 1']));
  });

  it('takes the ends of the scale', () => {
    const opacity = (options: { low?: number; high?: number }) =>
      Number(parts(heatmapSvg(Matrix.from([[0.5]]), options)).cells[0].attributes.get('fill-opacity'));
    expect(opacity({})).toBe(1);
    expect(opacity({ high: 1 })).toBe(0.5);
    expect(opacity({ high: 1, low: 0.25 })).toBe(0.333);
  });

  it('writes the values of small maps only, and then every so many labels', () => {
    const { texts, cells } = parts(heatmapSvg(Matrix.randomUniform(100, 100, { seed: 1 })));
    expect(cells).toHaveLength(10_000);
    expect(texts.filter((text) => /^0\.\d\d$/.test(text)).length).toBeLessThanOrEqual(1); // the legend's upper end
    expect(texts.length).toBeLessThan(100);
    expect(texts).toEqual(expect.arrayContaining(['0', '99']));
  });

  it('shows NaN, infinities and empty maps', () => {
    const { texts, cells } = parts(heatmapSvg(Matrix.from([[Number.NaN, Number.NEGATIVE_INFINITY, 1]])));
    expect(texts).toEqual(expect.arrayContaining(['NaN', '-∞', '1.00']));
    expect(cells[0].attributes.get('class')).toBe('qkv-nan');
    expect(heatmapSvg(Matrix.from([[Number.NaN]]))).not.toContain('opacity="NaN"');
    for (const [rows, cols] of [
      [0, 0],
      [0, 3],
      [3, 0],
    ])
      expect(parts(heatmapSvg(new Matrix(rows, cols))).cells).toEqual([]);
  });

  it.each([
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    "' onload='alert(1)",
    ']]>',
    '&lt;&#x3c;&unknown;',
    '</text></svg><script/>',
    '<!-- ',
    '<?xml version="1.0"?>',
    '\u0000\u0008\u001b[2J\u007f\u009b',
    'lone \ud800 and \udfff',
    '\ufffe\uffff',
    '\u202egnp.exe\u2066',
  ])('label %j stays text', (label) => {
    const options = { rowLabels: [label], columnLabels: [label], headLabels: [label], title: label };
    const { root, tips } = parts(heatmapSvg(Matrix.from([[1]]), options));
    const allowed = ['svg', 'title', 'desc', 'style', 'rect', 'text', 'g'];
    for (const element of allElements(root)) {
      expect(allowed).toContain(element.name);
      for (const name of element.attributes.keys()) expect(name).not.toMatch(/^on|href/);
    }
    // What the reader sees is the label, but for the characters that are shown as pictures or �.
    const expected = label.replace(/[\p{Cc}\p{Cs}\p{Bidi_Control}\ufffe\uffff]/gu, '.');
    const seen = (root.attributes.get('aria-label') ?? '').replace(/[\u2400-\u2421\ufffd]/g, '.');
    expect(seen).toBe(expected);
    expect(tips[0].replace(/[\u2400-\u2421\ufffd]/g, '.')).toBe(`${expected} → ${expected}: 1`);
    expect(textOf(root)).not.toMatch(/[\p{Bidi_Control}\p{Cs}]/u);
  });

  it('cuts long labels between characters and keeps them whole in the tooltips', () => {
    const long = '机器人'.repeat(40);
    const { texts, tips } = parts(heatmapSvg(Matrix.from([[1]]), { rowLabels: [long] }));
    expect(texts.some((text) => text.endsWith('…') && long.startsWith(text.slice(0, -1)))).toBe(true);
    expect(texts).not.toContain(long);
    expect(tips[0]).toContain(long);
  });

  it('refuses what no picture can show, and a title that is no text', () => {
    expect(() => heatmapSvg(new Matrix(501, 500))).toThrow(ShapeError);
    expect(() => heatmapSvg(new Matrix(501, 500))).toThrow(
      'heatmapSvg: weights must have at most 250000 entries: got 250500 (slice rows or columns)',
    );
    expect(() => heatmapSvg(weights, { title: 1 as unknown as string })).toThrow(
      'heatmapSvg: title must be a string: got 1',
    );
    expect(() => heatmapSvg(weights, { color: false } as object)).toThrow('every option must be known');
  });

  it('leaves its arguments alone and gives the same picture for the same weights', () => {
    const before = weights.clone();
    expect(heatmapSvg(weights, named)).toBe(heatmapSvg(weights, named));
    expect(weights.data).toEqual(before.data);
  });
});
