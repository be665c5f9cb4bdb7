import { describe, expect, it } from 'vitest';
import { jsonKeys } from '../../src/io/json-keys.js';
import { fc } from '../support/property.js';

const duplicate = (text: string) => jsonKeys(text, 8).duplicate;

describe('jsonKeys', () => {
  it('finds a key that one object names twice, at any depth and however it is written', () => {
    expect(duplicate('{"a":1,"b":{"c":1},"a":2}')).toBe('a');
    expect(duplicate('{"a":{"c":[{"d":1, "d" :2}]}}')).toBe('d');
    expect(duplicate('{"a":1,"\\u0061":2}')).toBe('a');
    expect(duplicate('{"":1,"":2}')).toBe('');
    expect(duplicate('{"__proto__":1,"__proto__":2}')).toBe('__proto__');
  });

  it('finds none where equal keys stand in different objects, or in strings', () => {
    expect(duplicate('{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}')).toBeUndefined();
    expect(duplicate('{"a":"b","b":"b","c":"\\"b\\":1,{"}')).toBeUndefined();
    expect(duplicate('[1,"a","a"]')).toBeUndefined();
  });

  it('gives the keys of the outermost object in their order, whatever they look like', () => {
    const { keys } = jsonKeys('{"b":{"x":1},"10":[{"y":2}],"2":"z","__proto__":3,"\\u0061\\"":4, "": 5}', 3);
    expect(keys).toEqual(['b', '10', '2', '__proto__', 'a"', '']);
    const key = fc.oneof(fc.string({ unit: 'binary' }), fc.nat(99).map(String));
    fc.assert(
      fc.property(fc.uniqueArray(key), fc.constantFrom(1, 'a":{', { b: [{ b: {} }] }, []), (keys, value) => {
        const text = `{${keys.map((name) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(' ,\n')}}`;
        expect(jsonKeys(text, 9)).toEqual({ keys, isDeep: false });
      }),
    );
  });

  it('tells what nests deeper than it may', () => {
    expect(jsonKeys('{"a":{"b":[1]}}', 3).isDeep).toBe(false);
    expect(jsonKeys('{"a":{"b":[1]}}', 2).isDeep).toBe(true);
    expect(jsonKeys('[[],[[]]]', 2).isDeep).toBe(true);
    expect(jsonKeys('[[],[],"[[["]', 2).isDeep).toBe(false);
  });

  it('takes a string of many megabytes', () => {
    expect(duplicate(`{"a":"${'x'.repeat(12_000_000)}","b":1,"b":2}`)).toBe('b');
    expect(duplicate(`{"a":"${'\\"'.repeat(3_000_000)}","b":1,"b":2}`)).toBe('b');
  });

  it('reads on nowhere behind a string that never ends: the square of its length would be minutes', () => {
    expect(jsonKeys(`{"a":1,"${'\\"'.repeat(3_000_000)}`, 3)).toEqual({ keys: ['a'], isDeep: false });
    expect(() => jsonKeys('{"\\x":1}', 3)).toThrow(SyntaxError);
  });
});
