import { expect, it } from 'vitest';
import { Matrix } from '../../src/matrix/matrix.js';
import { gatherRows } from '../../src/ops/embedding.js';
import { forEachTwin } from '../support/twins.js';

forEachTwin(() => {
  it('gathers rows of a table, repeated ones too', () => {
    const table = Matrix.from([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    const got = gatherRows('f', table, Uint8Array.of(2, 0, 2));
    expect(got.toArray()).toEqual([
      [5, 6],
      [1, 2],
      [5, 6],
    ]);
    got.data.fill(0);
    expect(table.get(2, 0)).toBe(5);
    expect(gatherRows('f', table, []).rows).toBe(0);
  });
});
