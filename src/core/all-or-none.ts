// A call that fails changes nothing, even if the first layer has already counted a dropout when the second one fails.

/** For each owner that the running call has counted: how to put its count back. */
let counted: Map<object, () => void> | undefined;

/**
 * Runs f; if f throws, every count goes back to its earlier value. Calls nest: f may catch the error of an inner call,
 * whose counts are put back by then, and go on.
 */
export function allOrNone<Result>(f: () => Result): Result {
  const outer = counted;
  const countedHere = new Map<object, () => void>();
  counted = countedHere;
  try {
    const result = f();
    for (const [owner, putBack] of countedHere) if (outer !== undefined && !outer.has(owner)) outer.set(owner, putBack);
    return result;
  } catch (error) {
    for (const putBack of countedHere.values()) putBack();
    throw error;
  } finally {
    counted = outer;
  }
}

/** To be called whenever `owner` counts. */
export function hasCounted(owner: object, putBack: () => void): void {
  if (counted !== undefined && !counted.has(owner)) counted.set(owner, putBack);
}
