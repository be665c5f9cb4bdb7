import type { Floats } from './floats.js';

// What kernels of attention take and give.

/** Everything a fused attention needs, with every default filled in and every shape checked. */
export interface AttentionProblem {
  /** (total query rows × numHeads·dK). */
  q: Floats;
  /** (total key rows × numKvHeads·dK). */
  k: Floats;
  numHeads: number;
  /** Query head h reads key/value head floor(h / (numHeads / numKvHeads)). */
  numKvHeads: number;
  dK: number;
  /** Sequence s: query rows [cuSeqlens[s], cuSeqlens[s + 1]), key rows [cuSeqlensK[s], cuSeqlensK[s + 1]). */
  cuSeqlens: Int32Array;
  cuSeqlensK: Int32Array;
  scale: number;
  /** Query i of sequence s stands at position offsets[s] + i; key j at j. */
  offsets: Int32Array;
  /** Key j is in reach if position − left ≤ j ≤ position + right; Infinity = open; causal is right = 0. */
  left: number;
  right: number;
  /** 1 = may attend. Row h·rowsPerHead + i (rowsPerHead 0: one row for all heads), column = position in the sequence. */
  mask?: Uint8Array;
  maskRowsPerHead: number;
  /** One flag a key row. */
  keyMask?: Uint8Array;
  /** Added to the logits; laid out as the mask. */
  bias?: Floats;
  biasRowsPerHead: number;
  /** Columns of mask and bias: the longest key sequence. */
  columns: number;
  /** Logits become c·tanh(z / c); 0 = off. */
  softcap: number;
  /** One slope a head; the bias −slope·|position − j|. */
  alibi?: Floats;
  /** One logit a head that only the denominator sees. */
  sinks?: Floats;
}

export interface AttentionForwardProblem extends AttentionProblem {
  /** (total key rows × numKvHeads·dV). */
  v: Floats;
  dV: number;
  /** Share of the weights dropped, keyed by (seedLow, seedHigh) and (call, batch, head, query, key). */
  dropout: number;
  seedLow: number;
  seedHigh: number;
  call: number;
}

/** max and sum are (total query rows × numHeads): m = max(Z, sink), s = Σ e^{Z−m} + e^{sink−m}. */
export interface AttentionStatistics {
  max: Floats;
  sum: Floats;
}

export interface AttentionResult extends AttentionStatistics {
  /** (total query rows × numHeads·dV). */
  out: Floats;
}

/** What the backward of an attention needs of its forward, and the gradient of its results. */
export interface AttentionBackwardProblem extends AttentionForwardProblem, AttentionResult {
  /** ∂loss/∂out, (total query rows × numHeads·dV). */
  dOut: Floats;
  /** ∂loss/∂(m + log s), (total query rows × numHeads); absent = 0. */
  dLogSumExp?: Floats;
}

export interface AttentionGradients {
  dQ: Floats;
  dK: Floats;
  dV: Floats;
  /** Laid out as the bias, summed over the heads that share it. */
  dBias?: Floats;
  /** (1 × numHeads), where there are sinks. */
  dSinks?: Floats;
}

export type AttentionStage = 'scaledScores' | 'softcapped' | 'masked' | 'weights';

/** One head of one sequence. */
export interface AttentionUnit {
  sequence: number;
  head: number;
}

/** weights (rows × cols), sinkShares one entry a row. */
export interface AttentionWeights {
  weights: Floats;
  sinkShares: Floats;
}
