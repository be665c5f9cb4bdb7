import type { FunctionBuilder } from '../language/builder.js';
import type { Int } from '../language/values.js';

// Units that are smaller than a sequence and a key/value head: its rows, of queries or keys, in `parts` blocks of whole
// tiles. No sum depends on the blocks: they begin where a tile begins.
//
//   parts = 3, 7 tiles:   part 0 │ ▭ ▭ ▭ │   part 1 │ ▭ ▭ ▭ │   part 2 │ ▭ │

/** Rows of all parts but the last, which has fewer or none. */
export const blockRows = (rows: Int, tileRows: Int | number, parts: Int): Int => {
  const tiles = rows.plus(-1).plus(tileRows).dividedBy(tileRows);
  return tiles.plus(-1).plus(parts).dividedBy(parts).times(tileRows);
};

/** Rows [from, to) of the parts [part, end). */
export function blockOf(
  f: FunctionBuilder,
  { rows, tileRows, parts, part, end }: { rows: Int; tileRows: Int | number; parts: Int; part: Int; end: Int },
) {
  const step = f.intVariable('blockRows', blockRows(rows, tileRows, parts));
  return {
    from: f.intVariable('blockFrom', step.times(part).min(rows)),
    to: f.intVariable('blockTo', step.times(end).min(rows)),
  };
}
