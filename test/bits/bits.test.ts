import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setSeed } from 'qkv';
import { afterAll, describe, expect, it } from 'vitest';
import { forEachTwin, TWINS } from '../support/twins.js';
import { BIT_CASES } from './cases.js';

// Every result and gradient, to the bit, as they were when bits.json was written: a change that is meant to move code and
// not numbers is seen to move none. Where numbers are meant to change, `QKV_BITS=write npx vitest run test/bits` writes
// them anew, and the commit says which sums have another order now, and why.

const FILE = fileURLToPath(new URL('./bits.json', import.meta.url));
const isWriting = process.env.QKV_BITS === 'write';
/** Of every case the hashes of the twins, in their order. */
const kept: Record<string, string> = existsSync(FILE) ? JSON.parse(readFileSync(FILE, 'utf8')) : {};
const found: typeof kept = {};

/** Engines differ in the last bit of Math.sin and Math.cos: what only 64 bits can hold counts to twelve digits. */
const known = (x: number) => (Object.is(Math.fround(x), x) ? x : Number(x.toPrecision(12)));

/** A hash of every number, bit for bit (but one NaN is as good as another), and every word of a result. */
function hashOf(value: unknown): string {
  const hash = createHash('sha256');
  const add = (value: unknown): void => {
    if (typeof value === 'number') hash.update(new Float64Array([known(value)]));
    else if (ArrayBuffer.isView(value)) for (const entry of value as Float32Array) add(Number(entry));
    else if (value instanceof Map) for (const entry of value) add(entry);
    else if (Array.isArray(value)) value.forEach(add);
    else if (typeof value === 'object' && value !== null) for (const entry of Object.entries(value)) add(entry);
    else hash.update(String(value));
  };
  add(value);
  return hash.digest('hex').slice(0, 10);
}

forEachTwin(({ name }) => {
  const twin = TWINS.findIndex((one) => one.name === name);
  it.each(Object.keys(BIT_CASES))('%s', async (title) => {
    setSeed(11);
    const hash = hashOf(await BIT_CASES[title]());
    found[title] = `${found[title] ?? ''} ${hash}`.trim();
    if (!isWriting) expect(hash).toBe(kept[title]?.split(' ')[twin]);
  });
});

describe('the file of hashes', () => {
  it.skipIf(isWriting)('has no case that is not there any more', () => {
    expect(Object.keys(kept).filter((title) => !(title in BIT_CASES))).toEqual([]);
  });
});

afterAll(() => {
  if (isWriting) writeFileSync(FILE, `${JSON.stringify(found, null, 2)}\n`);
});
