import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { seeding } from './property.js';
import { projectRoot } from './source-modules.js';

describe('the seed of the property tests', () => {
  it('is fixed unless a run asks for another', () => {
    expect(seeding(undefined)).toEqual(seeding(''));
    expect(seeding(undefined).seed).toBeTypeOf('number');
    expect(seeding('-7')).toEqual({ seed: -7 });
    expect(seeding('fresh')).toEqual({});
    expect(() => seeding('frehs')).toThrow("QKV_SEED: the seed must be an integer or 'fresh': got frehs");
  });

  it('is what every test of a property uses', () => {
    const names = readdirSync(join(projectRoot, 'test'), { recursive: true, encoding: 'utf8' });
    const texts = names
      .filter((name) => name.endsWith('.ts') && !name.includes('property'))
      .map((name) => [name, readFileSync(join(projectRoot, 'test', name), 'utf8')]);
    const own = texts.filter(([, text]) => /from 'fast-check'|numRuns:[^}]*\bseed:|[{ ]seed:[^}]*numRuns:/.test(text));
    expect(own.map(([name]) => name)).toEqual([]);
  });
});
