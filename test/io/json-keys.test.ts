import { describe, expect, it } from 'vitest';
import { duplicateKey } from '../../src/io/json-keys.js';

describe('duplicateKey', () => {
  it('finds a key that one object names twice, at any depth and however it is written', () => {
    expect(duplicateKey('{"a":1,"b":{"c":1},"a":2}')).toBe('a');
    expect(duplicateKey('{"a":{"c":[{"d":1, "d" :2}]}}')).toBe('d');
    expect(duplicateKey('{"a":1,"\\u0061":2}')).toBe('a');
    expect(duplicateKey('{"":1,"":2}')).toBe('');
  });

  it('finds none where equal keys stand in different objects, or in strings', () => {
    expect(duplicateKey('{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}')).toBeUndefined();
    expect(duplicateKey('{"a":"b","b":"b","c":"\\"b\\":1,{"}')).toBeUndefined();
    expect(duplicateKey('[1,"a","a"]')).toBeUndefined();
  });

  it('takes a string of many megabytes', () => {
    expect(duplicateKey(`{"a":"${'x'.repeat(12_000_000)}","b":1,"b":2}`)).toBe('b');
    expect(duplicateKey(`{"a":"${'\\"'.repeat(3_000_000)}","b":1,"b":2}`)).toBe('b');
  });
});
