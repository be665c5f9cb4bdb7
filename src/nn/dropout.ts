import { allOrNone, hasCounted } from '../core/all-or-none.js';
import { seedOfCall } from '../core/random.js';
import type { Matrix } from '../matrix/matrix.js';
import { checkDropout } from '../ops/attention/options.js';
import { dropout } from '../ops/dropout.js';
import { Module } from './module.js';

/** How one forward call drops: in its call-th use of the seed. */
export interface Drop {
  dropout: number;
  seed: number;
}

/** A module that drops in training mode, something else in every call, and the same again from the same state. */
export abstract class DroppingModule extends Module {
  readonly dropout: number;
  /** Forward calls that dropped so far: each drops other entries. With the seed it is the whole state of the dropout. */
  dropoutCalls = 0;
  dropoutSeed: number;

  /** @param dropout  checked by the caller, who draws the seed afterwards */
  constructor(dropout: number, dropoutSeed: number) {
    super();
    this.dropout = dropout;
    this.dropoutSeed = dropoutSeed;
  }

  /**
   * One forward call with its dropout: none in evaluation mode. `seed` replaces the module's own and restarts its calls.
   * A call that throws is not counted, nor is what it called, nor what called it and throws for it: see allOrNone.
   */
  protected dropping(
    where: string,
    options: { dropout?: number; seed?: number },
    forward: (drop: Drop, call: number) => Matrix,
  ): Matrix {
    checkDropout(where, options);
    const { dropout = 0, seed = this.dropoutSeed } = options;
    return allOrNone(() => {
      if (!this.training || dropout === 0) return forward({ dropout: 0, seed }, 0);
      if (options.seed !== undefined) return forward({ dropout, seed }, 0);
      const calls = this.dropoutCalls;
      const out = forward({ dropout, seed }, calls);
      this.dropoutCalls = calls + 1;
      hasCounted(this, () => {
        this.dropoutCalls = calls;
      });
      return out;
    });
  }
}

/** Drops entries of x; where nothing is dropped, x itself. */
export function dropEntries(x: Matrix, drop: Drop, call: number): Matrix {
  return drop.dropout === 0 ? x : dropout(x, drop.dropout, { seed: seedOfCall(drop.seed, call) });
}

/** torch.nn.Dropout, counted: a part of the layers here. */
export class Dropout extends DroppingModule {
  static override get name(): string {
    return 'Dropout';
  }

  forward(x: Matrix): Matrix {
    const where = 'Dropout';
    return this.dropping(where, { dropout: this.dropout }, (drop, call) => dropEntries(x, drop, call));
  }
}
