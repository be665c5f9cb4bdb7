import { expect, test } from 'vitest';
import { PLACES, type TypedPlace } from '../calls/places.js';
import { fc } from '../support/property.js';
import { forEachTwin } from '../support/twins.js';
import { attempt } from './attempt.js';
import { junk } from './junk.js';

const NAMES = [...new Set(PLACES.map(({ name }) => name))];

/** A callable with one to three of its places taken by junk. */
const calls = fc.constantFrom(...NAMES).chain((name) => {
  const places = PLACES.filter((place) => place.name === name);
  return fc.array(fc.tuple(fc.constantFrom(...places), junk), { minLength: 1, maxLength: 3 });
});

forEachTwin(() => {
  test('junk in any place is accepted, or refused by an error of the library that changes nothing', () => {
    const refusals = new Set<TypedPlace>();
    const property = fc.property(calls, (replaced) => {
      const error = attempt(replaced[0][0].name, replaced); // throws where a promise is broken
      if (error !== undefined && replaced.length === 1) refusals.add(replaced[0][0]);
    });
    // About ten values for each place and twin.
    fc.assert(property, { numRuns: 10 * PLACES.length });
    expect(refusals.size).toBeGreaterThan(PLACES.length / 2); // the junk is junk
  });
});
