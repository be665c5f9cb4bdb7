import type { Answer, Implementation, Operation, Prepared } from './contender.js';
import type { Ratio } from './statistics.js';
import type { Expected } from './verify.js';

// What is measured, and what a measurement says. A result is one JSON line.

export type Group = 'peak' | 'matmul' | 'rows' | 'softmax' | 'attention' | 'layer' | 'training' | 'decode' | 'memory';

/** What one call does, counted in units of 10⁶ a millisecond: GFLOP/s, GB/s, elements/ns. */
export interface Work {
  readonly unit: 'GFLOP/s' | 'GB/s' | 'elements/ns';
  readonly amount: number;
}

export type Yardstick = 'peak' | 'own matmul';

export interface BenchCase {
  readonly name: string;
  readonly group: Group;
  readonly operation: Operation;
  /** Useful operations of one call. */
  readonly flop: number;
  /** The first is the one that tables show. */
  readonly work: readonly [Work, ...Work[]];
  /** What is timed beside the contenders, to be a share of. */
  readonly yardsticks: readonly Yardstick[];
  /** Makes the data; called when the case's turn has come. */
  readonly build: () => Built;
}

export interface Built {
  /** Undefined where the implementation has no such operation. */
  readonly prepare: (implementation: Implementation) => Prepared<Answer> | Promise<Prepared<Answer>> | undefined;
  /** One for every matrix of the answer. */
  readonly expected: readonly Expected[];
}

export interface Timing {
  readonly contender: string;
  readonly kind: Implementation['kind'] | 'yardstick';
  readonly medianMs: number;
  readonly bestMs: number;
  /** Median rate of each unit. */
  readonly rates: Readonly<Record<string, number>>;
  /** How many times the first contender's rate is this one's: the median over the rounds; 1 for itself. */
  readonly ratio: Ratio;
}

export interface CaseResult {
  readonly case: string;
  readonly group: Group;
  /** The unit that tables show. */
  readonly unit: string;
  readonly timings: readonly Timing[];
  /** Contenders that were left out, with the reason. */
  readonly skipped: readonly string[];
  /** Contenders whose result was wrong: they are not timed. */
  readonly wrong: readonly string[];
}

export interface MemoryResult {
  readonly case: string;
  readonly group: 'memory';
  readonly contender: string;
  /** The most memory the process held during the call beyond what it held before, arguments and all. */
  readonly extraBytes: number;
  /** The same in units of tokens × dModel × 4 bytes. */
  readonly extraUnits: number;
  readonly ms: number;
}
