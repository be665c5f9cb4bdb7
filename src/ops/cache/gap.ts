import { table } from '../../kernels/state.js';
import { type Matrix, wrap } from '../../matrix/matrix.js';
import { type AttentionOptions, checkAlibi, type OptionsOf } from '../attention/options.js';
import { checkReach } from '../attention/reach.js';

// A ring with sink tokens holds the keys of positions 0 … sinks − 1 and then, behind a gap, those of `first` and later
// (Xiao et al. 2024, StreamingLLM, arXiv 2309.17453, §3.2). The kernels number keys without gaps, so what depends on
// positions becomes a mask and a bias here.

export interface GappedKeys {
  sinks: number;
  /** The position of the key behind the sinks. */
  first: number;
  keys: number;
  queries: number;
  /** The position of the first query. */
  position: number;
  /** Positions that a query sees behind the sinks, its own included. */
  ring: number;
}

type Reach = { [Name in OptionsOf<'reach'>]: AttentionOptions[Name] | undefined };

/** The options of an attention over such keys, in which nothing depends on positions any more. */
export function withoutPositions(where: string, gapped: GappedKeys, options: AttentionOptions): AttentionOptions {
  const { numHeads = 1, causal = false } = options;
  const slopes = checkAlibi(where, options.alibi, numHeads);
  const mask = visible(gapped, causal !== false, checkReach(where, options));
  // What of ALiBi the gap leaves out; the rest goes on as it is.
  const distances: Record<OptionsOf<'distance'>, Matrix | undefined> = {
    alibi: slopes && sinkDistances(gapped, slopes),
  };
  const everywhere: Reach = { causal: false, causalOffset: undefined, window: undefined };
  return { ...options, ...everywhere, mask, bias: distances.alibi };
}

/** (queries × keys) flags. */
function visible(gapped: GappedKeys, causal: boolean, { left, right }: { left: number; right: number }): Uint8Array {
  const { sinks, first, keys, queries, position, ring } = gapped;
  const mask = new Uint8Array(queries * keys);
  for (let i = 0; i < queries; i++) {
    const own = position + i;
    for (let j = 0; j < keys; j++) {
      const isSink = j < sinks;
      const key = isSink ? j : first + (j - sinks);
      const inReach = key >= own - left && key <= own + right;
      const stillThere = isSink || !causal || key > own - ring;
      if (inReach && stillThere) mask[i * keys + j] = 1;
    }
  }
  return mask;
}

/** (numHeads·queries × keys): what ALiBi takes from the sinks' logits, beyond the distance without the gap. */
function sinkDistances({ sinks, first, keys, queries }: GappedKeys, slopes: Float32Array): Matrix {
  const bias = wrap(slopes.length * queries, keys, table(slopes.length * queries * keys));
  for (let r = 0; r < bias.rows; r++) {
    bias.row(r).fill(-slopes[Math.floor(r / queries)] * (first - sinks), 0, sinks);
  }
  return bias;
}
