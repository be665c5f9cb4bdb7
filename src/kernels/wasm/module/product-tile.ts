// The register tile of products, for the generators and for what reserves room.

/** Rows of the register tile: 4×8 needs 8 accumulators, 2 of B and 1 of A; 14 live vectors are the most V8 keeps. */
export const MR = 4;

/** Columns of the register tile, and of a packed panel of B. */
export const NR = 8;

/** Bytes of scratch the edge columns need: one MR×NR tile. Written out, because bundlers keep what they would have to compute. */
export const EDGE_BYTES = 128;
