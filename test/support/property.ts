import process from 'node:process';
import fc from 'fast-check';

// fast-check with the seed of this run: the same on every machine, so that `npm test` either always passes or always
// fails. QKV_SEED=fresh draws a new seed (npm run test:random); QKV_SEED=<number> repeats the run whose report names it.

const FIXED = 20_260_301;

/** Fast-check's parameters for a value of QKV_SEED. */
export function seeding(wanted: string | undefined): { seed?: number } {
  if (wanted === 'fresh') return {};
  if (wanted === undefined || wanted === '') return { seed: FIXED };
  const seed = Number(wanted);
  if (!Number.isInteger(seed)) throw new Error(`QKV_SEED: the seed must be an integer or 'fresh': got ${wanted}`);
  return { seed };
}

fc.configureGlobal(seeding(process.env.QKV_SEED));

export { fc };
