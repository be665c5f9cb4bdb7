/** The key/value head that a query head reads: neighbors share one where there are fewer of them. */
export function kvHead({ numHeads, numKvHeads }: { numHeads: number; numKvHeads: number }, head: number): number {
  return Math.floor(head / (numHeads / numKvHeads));
}
