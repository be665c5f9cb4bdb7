// kernels/wasm: the contract by WebAssembly kernels. Never imports the reference (what it lacks is handed in), nor its own
// generators.

// How the WASM kernels add up. One running float32 sum of n terms errs by up to n·2^−24 of Σ|terms|; a sum in blocks, each
// taken from 0 and then added to the total, by block + n/block. So every sum whose length the data decides is taken in
// blocks, in ascending order, and a block begins at the same term whatever the shape, tile, edge, path or thread:
//
//   a product, over k                        KC terms (gemm.ts, gemv.ts, the scores of attention)
//   a column, over rows                      KC rows (column-sums.ts: bias and gain gradients)
//   a row, over its columns                  KC turns of four partial sums, or of PARTS times four (rows.ts, softmax.ts)
//   O, s and dQ of attention, over keys      the KEY_TILE keys of a tile (attention-record.ts)
//   dK, dV and dSinks, over queries          the rows of a query tile (attention-backward.ts), counted from the first row
//                                            of the sequence; head after head of a group, sequence after sequence
//   all entries of an array (sum, and        SUM_BLOCK entries in float64, in partial sums (emit/sums.ts); fewer than FEW
//   their squares: the norm of gradients)    entries (calls/sums.ts) one after another
//
// All block sizes depend on widths and options, never on a number of rows. Within a block, one multiply and one add a term.
// The reference needs none of this: it sums in float64 (reference/sums.ts).

/** 2^20 terms: at most 256 + 4096 roundings, where one running sum has 2^20. As a panel, see gemm.ts. */
export const KC = 256;

/**
 * 2^20 entries: 256 blocks to hand out. At 16 KiB each a block is read in 1 µs, and what a unit costs beside it, its eight
 * lanes added up, is one turn in 500.
 */
export const SUM_BLOCK = 4096;
