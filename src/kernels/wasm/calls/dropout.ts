import { dropThreshold } from '../../../core/random.js';
import type { AttentionForwardProblem } from '../../attention-problem.js';
import type { Dropout } from '../../contract.js';
import { ATTENTION_FIELDS, type AttentionField, ENTRIES_AT_ONCE } from '../module/attention-record.js';
import { dropEntries } from '../module/dropout.generated.js';
import { scale } from '../module/elementwise.generated.js';
import type { Runtime } from '../module/launch.js';

const TWO_32 = 4294967296;

export type Fields = Partial<Record<AttentionField, number>>;

type Dropping = Pick<AttentionForwardProblem, 'dropout' | 'seedLow' | 'seedHigh' | 'call'>;

export function dropoutFields({ dropout, seedLow, seedHigh, call }: Dropping): Fields {
  const threshold = dropThreshold(dropout);
  const all = threshold >= TWO_32;
  return {
    dropThreshold: all ? 0 : threshold,
    dropAll: all ? -1 : 0,
    keepScale: all ? 1 : 1 / (1 - dropout),
    seedLow,
    seedHigh,
    call,
  };
}

/** The kernel that drops attention weights, on entries as if they were the keys of one row. */
export function dropout(runtime: Runtime, { x, rate, seedLow, seedHigh }: Dropout): Float32Array {
  const { memory } = runtime;
  memory.enter();
  const out = memory.reserve(x.length * 4);
  const fields = dropoutFields({ dropout: rate, seedLow, seedHigh, call: 0 });
  scale(runtime, { x: memory.copyIn(x), out, factor: fields.keepScale ?? 1 }, x.length);
  const record = memory.copyRecord(ATTENTION_FIELDS, fields, {});
  dropEntries(runtime, { record, x: out, count: x.length }, Math.ceil(x.length / ENTRIES_AT_ONCE));
  return memory.copyOut(out, x.length);
}
