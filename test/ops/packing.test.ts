import { describe, expect, it } from 'vitest';
import { Matrix } from '../../src/matrix/matrix.js';
import { pack, unpack } from '../../src/ops/packing.js';

describe('pack and unpack', () => {
  it('go there and back, empty sequences too, sharing no memory', () => {
    const sequences = [3, 0, 5].map((rows, s) => Matrix.randomNormal(rows, 4, { seed: s }));
    const { packed, cuSeqlens } = pack(sequences);
    expect([...cuSeqlens]).toEqual([0, 3, 3, 8]);
    expect(packed.rows).toBe(8);
    const back = unpack(packed, cuSeqlens);
    expect(back.map((m) => m.toArray())).toEqual(sequences.map((m) => m.toArray()));
    packed.data.fill(0);
    expect(back[0].toArray()).toEqual(sequences[0].toArray());
  });
});
