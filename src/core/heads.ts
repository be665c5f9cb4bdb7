/** The key/value head that a query head reads: numHeads / numKvHeads neighboring query heads share one. */
export function kvHead({ numHeads, numKvHeads }: { numHeads: number; numKvHeads: number }, head: number): number {
  return Math.floor(head / (numHeads / numKvHeads));
}
