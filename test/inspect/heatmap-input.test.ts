import { describe, expect, it } from 'vitest';
import { Matrix, ShapeError } from '../../src/index.js';
import { heatmapInput, longestValue } from '../../src/inspect/heatmap-input.js';

const weights = Matrix.from([
  [0.25, 0.75],
  [1, 0],
]);
const read = (map: Matrix | Matrix[], options = {}) =>
  heatmapInput('heatmap', map, options, ['rowLabels', 'columnLabels', 'headLabels', 'low', 'high'], 100);

describe('heatmapInput', () => {
  it('numbers rows and columns, and heads where there are several', () => {
    expect(read(weights)).toMatchObject({ rowLabels: ['0', '1'], columnLabels: ['0', '1'], headLabels: [] });
    expect(read([weights, weights])).toMatchObject({ headLabels: ['head 0', 'head 1'] });
  });

  it('takes labels, made visible, and one scale for all maps', () => {
    const input = read([weights, weights.scale(2)], { rowLabels: ['a\n', 'b'], headLabels: ['x', 'y'] });
    expect(input).toMatchObject({ rowLabels: ['a␊', 'b'], headLabels: ['x', 'y'], scale: { low: 0, high: 2 } });
    expect(read(weights, { headLabels: ['only'] }).headLabels).toEqual(['only']);
    expect(read(weights, { low: -1, high: 3 }).scale).toEqual({ low: -1, high: 3 });
  });

  it('measures the longest value', () => {
    expect(longestValue(read(weights))).toBe('0.25'.length);
    expect(longestValue(read(weights.scale(-1)))).toBe('-0.25'.length);
    expect(longestValue(read(new Matrix(0, 0)))).toBe(0);
  });

  it.each([
    [() => read([]), ShapeError, 'heatmap: weights must hold at least one matrix: got an empty list'],
    [
      () => read([weights, new Matrix(2, 3)]),
      ShapeError,
      'heatmap: weights must have one shape: weights[0] is 2×2, weights[1] is 2×3',
    ],
    [
      () => read(weights, { rowLabels: ['a'] }),
      ShapeError,
      'heatmap: rowLabels must have one entry for each row: got 1 for 2',
    ],
    [
      () => read(weights, { columnLabels: ['a', 'b', 'c'] }),
      ShapeError,
      'heatmap: columnLabels must have one entry for each column: got 3 for 2',
    ],
    [
      () => read([weights, weights], { headLabels: [] }),
      ShapeError,
      'heatmap: headLabels must have one entry for each map: got 0 for 2',
    ],
    [() => read(weights, { high: -1, low: 0 }), ShapeError, 'heatmap: high must be a finite number'],
    [() => read(weights, { high: Number.NaN }), ShapeError, 'heatmap: high must be a finite number'],
    [() => read(weights, { low: Number.POSITIVE_INFINITY }), ShapeError, 'heatmap: low must be a finite number'],
    [() => read([[0.5]] as unknown as Matrix[]), TypeError, 'heatmap: weights[0] must be a Matrix'],
    [() => read('x' as unknown as Matrix), TypeError, 'heatmap: weights must be a Matrix'],
    [() => read(weights, { rowLabels: ['a', 1] }), TypeError, 'heatmap: rowLabels[1] must be a string: got 1'],
    [() => read(weights, { rowLabels: 'ab' }), TypeError, 'heatmap: rowLabels must be an array'],
    [() => read(weights, { rowLabel: ['a', 'b'] }), TypeError, 'did you mean rowLabels?'],
  ])('%#: refuses', (call, kind, message) => {
    expect(call).toThrow(kind);
    expect(call).toThrow(message);
  });
});
