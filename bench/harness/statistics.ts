// The arithmetic of the measurements. Every function is pure.

/** The p-th quantile, 0 ≤ p ≤ 1, linear between neighbors. @throws RangeError  without values, or if one is NaN */
export function quantile(values: readonly number[], p: number): number {
  if (values.length === 0 || values.some(Number.isNaN))
    throw new RangeError(`quantile: needs numbers: got [${values}]`);
  const sorted = [...values].sort((a, b) => a - b);
  const place = p * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.ceil(place);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The median of the ratios of one round each, and their quartiles. */
export interface Ratio {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/**
 * How many times faster `own` is than `other`, from the rates both reached in the same rounds. The ratio is taken within
 * a round and the median over the rounds, so that a machine which slows down for a while slows both sides of a ratio.
 */
export function ratioOf(own: readonly number[], other: readonly number[]): Ratio {
  if (own.length !== other.length)
    throw new RangeError(`ratioOf: needs as many rounds: ${own.length}, ${other.length}`);
  const ratios = own.map((rate, round) => rate / other[round]);
  return { median: median(ratios), low: quantile(ratios, 0.25), high: quantile(ratios, 0.75) };
}

/** Who runs when: every round starts one contender later, so that none always follows the same one. */
export function roundOrder(contenders: number, round: number): number[] {
  return Array.from({ length: contenders }, (_, i) => (i + round) % contenders);
}
