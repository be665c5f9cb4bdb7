// The record that describes one attention call to the kernels: 4-byte fields, written by JavaScript, read by WASM.
// Addresses are bytes; 0 = absent. Strides are bytes. Offsets `at…` are places in a thread's scratch.

export const ATTENTION_FIELDS = [
  'q',
  'ldq',
  'k',
  'ldk',
  'v', // 0: only the statistics
  'ldv',
  'out',
  'ldo',
  'max',
  'sum',
  'numHeads',
  'numKvHeads',
  'keyWidth', // columns of a head of Q and K
  'valueWidth', // columns of a head of V and O
  'cuSeqlens',
  'cuSeqlensK',
  'offsets',
  'scale', // float
  'left', // at most REACH_OPEN, as right
  'right',
  'mask',
  'maskHeadStride',
  'keyMask',
  'bias',
  'biasHeadStride',
  'columns',
  'softcap', // float
  'alibi',
  'sinks',
  'dropThreshold', // weights whose random word is below are dropped; 0 with dropAll 0 = no dropout
  'dropAll',
  'keepScale', // float, 1 / (1 − dropout)
  'seedLow',
  'seedHigh',
  'call',
  'parts', // blocks of query rows, or of keys, into which a unit's heads are cut
  'queryTile',
  'atEdge',
  'atMax',
  'atSum',
  'atFactors',
  'atShifts',
  'atQuery',
  'atScores',
  'atAllowed',
  'atOut',
  'atPart',
  'atKeys',
  'atValues',
] as const;

export type AttentionField = (typeof ATTENTION_FIELDS)[number];

const ONLY_BACKWARD = [
  'dOut', // strides as out
  'dLogSumExp',
  'gradQ', // strides as q, k, v; gradBias as bias
  'gradK',
  'gradV',
  'gradBias', // 0: not wanted
  'gradSinks', // (sequences × numHeads)
  'kvHeadsPerUnit', // 1; numKvHeads where heads share a dBias, which then belongs to one unit
  'atBad',
  'atGradients',
  'atCaps',
  'atKept',
  'atQueryPanels',
  'atOutPanels',
  'atKeyPanels',
  'atKeySums',
  'atValueSums',
] as const;

/** The record of a backward call: that of its forward, of which out, max and sum are then read, and what follows it. */
export const BACKWARD_FIELDS = /* @__PURE__ */ ([] as BackwardField[]).concat(ATTENTION_FIELDS, ONLY_BACKWARD);

export type BackwardField = AttentionField | (typeof ONLY_BACKWARD)[number];

/** No pair of positions is further apart: offsets stay within ±2^29, rows within 2^28. */
export const REACH_OPEN = 1 << 30;

/**
 * Keys a tile, always counted from the first key of the sequence, so that a row's order of summation depends on nothing
 * but the widths: 64 keys of 64 columns are 16 KB of K and 16 KB of V beside 16 KB of scores.
 */
export const KEY_TILE = 64;

/** Up to so many query rows a key/value head (all its query heads together) read K and V where they lie. */
export const FEW_ROWS = 8;

/** Such rows of several key/value heads that go together: the scratch has room for so many. */
export const ROWS_AT_ONCE = 64;

/** Entries that one unit of a dropout decides over: a multiple of the 16 that are drawn together. */
export const ENTRIES_AT_ONCE = 1024;
