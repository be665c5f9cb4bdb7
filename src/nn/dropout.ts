import { allOrNone, hasCounted } from '../core/all-or-none.js';
import { seedOfCall } from '../core/random.js';
import type { Matrix } from '../matrix/matrix.js';
import { checkDropout } from '../ops/attention/options.js';
import { dropout } from '../ops/dropout.js';
import { Module } from './module.js';

/** The dropout of one forward call. */
export interface Drop {
  /** The share of entries dropped; 0 = none. */
  dropout: number;
  seed: number;
}

/** A module that drops in training mode: other entries in every call, but the same ones again from the same state. */
export abstract class DroppingModule extends Module {
  readonly dropout: number;
  /** The number of forward calls that have dropped. With the seed it is the whole state of the dropout. */
  dropoutCalls = 0;
  dropoutSeed: number;

  /** @param dropout  checked by the caller, who draws the seed afterwards */
  constructor(dropout: number, dropoutSeed: number) {
    super();
    this.dropout = dropout;
    this.dropoutSeed = dropoutSeed;
  }

  /**
   * Runs one forward call with its dropout, of which there is none in evaluation mode. A `seed` replaces the module's own for
   * this call, as call 0, and the call is not counted. Nor is a call that throws, with all that it called: see allOrNone.
   *
   * @param forward  takes the dropout and the number of the call with this seed
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

/** x with entries dropped; x itself if nothing is dropped. */
export function dropEntries(x: Matrix, drop: Drop, call: number): Matrix {
  return drop.dropout === 0 ? x : dropout(x, drop.dropout, { seed: seedOfCall(drop.seed, call) });
}

/** torch.nn.Dropout with a count of its calls: a part of other layers, not public. */
export class Dropout extends DroppingModule {
  static override get name(): string {
    return 'Dropout';
  }

  forward(x: Matrix): Matrix {
    const where = 'Dropout';
    return this.dropping(where, { dropout: this.dropout }, (drop, call) => dropEntries(x, drop, call));
  }
}
