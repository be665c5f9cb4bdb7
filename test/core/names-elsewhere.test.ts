import { describe, expect, it } from 'vitest';
import * as tables from '../../src/core/names-elsewhere.js';
import { OPTION_CASES } from '../calls/registry.js';

/** Every option of every public callable. */
const options = new Set(OPTION_CASES.map(({ key }) => key.slice(key.lastIndexOf('.') + 1)));

describe.each(Object.entries(tables))('%s', (_, names) => {
  it('has keys in lower case without underscores', () => {
    expect(Object.keys(names).filter((key) => key !== key.toLowerCase().replaceAll('_', ''))).toEqual([]);
  });

  it.each(Object.entries(names))('%s leads somewhere else, to an option that exists or to a sentence', (key, name) => {
    expect(name.toLowerCase()).not.toBe(key);
    if (!name.includes(' ')) expect(options).toContain(name);
  });
});
