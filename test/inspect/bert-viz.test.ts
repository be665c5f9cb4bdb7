import { describe, expect, it } from 'vitest';
import { Matrix, MultiHeadAttention, toBertViz } from '../../src/index.js';

const a = Matrix.from([
  [0.25, 0.75],
  [1, 0],
]);
const b = Matrix.from([
  [0.5, 0.5],
  [0.125, 0.875],
]);

describe('toBertViz', () => {
  it('gives what the scripts of the head view and the model view read', () => {
    const data = toBertViz(
      [
        [a, b, a],
        [b, b, a],
      ],
      { rowLabels: ['the', 'cat'] },
    );
    const [A, B] = [a.toArray(), b.toArray()];
    expect(data).toEqual({
      attention: [
        {
          name: null,
          attn: [
            [A, B, A],
            [B, B, A],
          ],
          left_text: ['the', 'cat'],
          right_text: ['the', 'cat'],
        },
      ],
      default_filter: '0',
      root_div_id: 'bertviz',
      display_mode: 'dark',
      layer: null,
      heads: null,
      include_layers: [0, 1],
      include_heads: [0, 1, 2],
      total_heads: 3,
    });
    expect(JSON.parse(JSON.stringify(data))).toEqual(data);
  });

  it('takes one layer, as attentionWeights gives it, and one head', () => {
    const x = Matrix.randomNormal(3, 8, { seed: 1 });
    const attention = new MultiHeadAttention({ dModel: 8, numHeads: 4, causal: true, seed: 1 });
    const [{ attn, left_text }] = toBertViz(attention.attentionWeights(x)).attention;
    expect([attn.length, attn[0].length, attn[0][0].length, attn[0][0][0]]).toEqual([1, 4, 3, [1, 0, 0]]);
    expect(left_text).toEqual(['0', '1', '2']);
    expect(toBertViz(a).attention[0].attn).toEqual([[a.toArray()]]);
  });

  it('labels queries and keys apart where they differ', () => {
    const [{ left_text, right_text }] = toBertViz(new Matrix(2, 3), { rowLabels: ['x', 'y'] }).attention;
    expect([left_text, right_text]).toEqual([
      ['x', 'y'],
      ['0', '1', '2'],
    ]);
    expect(toBertViz(a, { rowLabels: ['x', 'y'], columnLabels: ['p', 'q'] }).attention[0].right_text).toEqual([
      'p',
      'q',
    ]);
  });

  it('a label cannot end the script that it stands in, written as the comment says', () => {
    const data = toBertViz(a, { rowLabels: ['</script><script>alert(1)', '<!--'] });
    const json = JSON.stringify(data).replaceAll('<', '\\u003c');
    expect(json).not.toContain('<');
    expect(JSON.parse(json)).toEqual(data);
  });
});

it('reads rows of another length than their number, and refuses layers of other rows', () => {
  const wide = Matrix.from([
    [0.25, 0.5, 0.25],
    [0, 0.125, 0.875],
  ]);
  expect(toBertViz(wide).attention[0].attn).toEqual([[wide.toArray()]]);
  const tall = new Matrix(3, 3);
  expect(() => toBertViz([[wide], [tall]])).toThrow('weights must have one shape: layer 0 has 2×3, layer 1 3×3');
});
