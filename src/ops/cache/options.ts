import { requireChoice, requireInteger, requireSize, shapeError } from '../../core/errors.js';
import { requireOptions } from '../../core/options.js';
import { requireResident } from '../../matrix/parameter.js';

export interface KVCacheOptions {
  /** Rows it can hold. */
  capacity: number;
  /** Columns of one head of k and v. */
  dK: number;
  /** Default dK. */
  dV?: number;
  /** Heads of k and v. Default 1. */
  numKvHeads?: number;
  /** 'linear' refuses rows that do not fit; in a 'ring' each takes the place of the oldest. Default 'linear'. */
  mode?: 'linear' | 'ring';
  /** First rows that a ring keeps for good; below capacity. Default 0. */
  sinkTokens?: number;
}

const CACHE_OPTIONS = [
  'capacity',
  'dK',
  'dV',
  'numKvHeads',
  'mode',
  'sinkTokens',
] as const satisfies readonly (keyof KVCacheOptions)[];

/** Everything checked and every default filled in. */
export function checkCacheOptions(where: string, options: KVCacheOptions): Required<KVCacheOptions> {
  requireOptions(where, options, CACHE_OPTIONS, { isRequired: true });
  const { capacity, dK, dV = dK, numKvHeads = 1, mode = 'linear', sinkTokens = 0 } = options;
  for (const [name, size] of Object.entries({ capacity, dK, dV, numKvHeads })) requireInteger(where, name, size, 1);
  requireChoice(where, 'mode', mode, ['linear', 'ring']);
  requireInteger(where, 'sinkTokens', sinkTokens, 0, capacity - 1);
  if (sinkTokens > 0 && mode === 'linear') {
    throw shapeError(where, "sinkTokens must come with mode: 'ring'", `got ${sinkTokens} and mode 'linear'`);
  }
  requireSize(where, 'the keys', capacity, numKvHeads * dK);
  requireSize(where, 'the values', capacity, numKvHeads * dV);
  requireResident(where, 'keys and values', capacity * numKvHeads * (dK + dV));
  return { capacity, dK, dV, numKvHeads, mode, sinkTokens };
}
