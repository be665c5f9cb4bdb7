// A call that fails changes nothing, also where what fails is its second layer and the first has counted a dropout.

/** What the running call has counted so far: by whose count it is, how to put it back. */
let counted: Map<object, () => void> | undefined;

/**
 * Runs f; if it throws, every count is put back to where it stood. What f catches itself is its own: an inner call that
 * failed has left no trace then, and the outer one goes on.
 */
export function allOrNone<Result>(f: () => Result): Result {
  const outer = counted;
  const own = new Map<object, () => void>();
  counted = own;
  try {
    const result = f();
    for (const [owner, putBack] of own) if (outer !== undefined && !outer.has(owner)) outer.set(owner, putBack);
    return result;
  } catch (error) {
    for (const putBack of own.values()) putBack();
    throw error;
  } finally {
    counted = outer;
  }
}

/** To be called beside every count of `owner`. */
export function hasCounted(owner: object, putBack: () => void): void {
  if (counted !== undefined && !counted.has(owner)) counted.set(owner, putBack);
}
