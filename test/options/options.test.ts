import { expect, test } from 'vitest';
import { listedOptions } from '../calls/listed.js';
import { OPTION_CASES } from '../calls/registry.js';
import { forEachTwin } from '../support/twins.js';
import { checkOption } from './check.js';

const keys = [...new Set(OPTION_CASES.map(({ key }) => key))];

test('every option of the types has a case, and every case an option', () => {
  const listed = listedOptions();
  const shown = OPTION_CASES.filter(({ unchanged, refused }) => unchanged === undefined && refused === undefined);
  console.log(
    `${listed.length} options of public functions, ${OPTION_CASES.length} uses, ${shown.length} change a result`,
  );
  expect(listed.filter((key) => !keys.includes(key))).toEqual([]);
  expect(keys.filter((key) => !listed.includes(key))).toEqual([]);
});

test('every reason is written out', () => {
  for (const { key, unchanged, refused } of OPTION_CASES) {
    for (const reason of [unchanged, refused]) if (reason !== undefined) expect(reason.length, key).toBeGreaterThan(10);
  }
});

forEachTwin(({ tolerance }) => {
  test.each(keys)('%s', async (key) => {
    for (const one of OPTION_CASES.filter((candidate) => candidate.key === key)) await checkOption(one, tolerance);
  });
});
