import { describe, expect, it } from 'vitest';
import { brandOf, putBrand } from '../../src/core/brands.js';

describe('a brand', () => {
  it('stands under a registered symbol, which every copy of the library finds, and out of sight', () => {
    const object = {};
    putBrand(object, 'Module');
    expect(Reflect.get(object, Symbol.for('qkv.Module'))).toBe(true);
    expect([brandOf(object, 'Module'), brandOf(object, 'Matrix')]).toEqual([true, undefined]);
    expect([Object.keys(object), JSON.stringify(object), { ...object }]).toEqual([[], '{}', {}]);
  });

  it('is on no value that is not branded', () => {
    for (const value of [undefined, null, 3, 'Matrix', Symbol('x'), 5n, true, () => 1, [], Object.create(null)]) {
      expect(brandOf(value, 'Matrix')).toBeUndefined();
    }
  });
});
