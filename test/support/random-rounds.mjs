// Runs all property tests repeatedly with fresh random values; a failure prints the seed that repeats it.
// Usage: npm run test:random -- [rounds, default 1]. Stops after the first round that fails.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

const given = process.argv[2] ?? '1';
const rounds = Number(given);
if (!Number.isInteger(rounds) || rounds < 1) {
  console.error(`test:random: the number of rounds must be an integer of at least 1: got ${given}`);
  process.exit(2);
}

/** The test files that draw: those that import test/support/property.ts, or a helper beside it that does. */
const names = readdirSync('test', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
const draws = (name) => /property\.js'|attention-cases\.js'|junk\.js'/.test(readFileSync(join('test', name), 'utf8'));
const files = names.filter((name) => name.endsWith('.test.ts') && draws(name)).map((name) => join('test', name));

for (let round = 1; round <= rounds; round++) {
  console.log(`round ${round} of ${rounds}`);
  const env = { ...process.env, QKV_SEED: 'fresh' };
  const { status } = spawnSync('npx', ['vitest', 'run', ...files], { stdio: 'inherit', env });
  if (status !== 0) process.exit(status ?? 1);
}
