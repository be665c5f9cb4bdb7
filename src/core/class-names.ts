// The names that an engine gives classes do not survive a bundler, so every class of the library names itself, by a getter.

/**
 * What messages call an object: its nearest class that names itself, as those of the library do. A class of a user, who
 * extends one of them, goes by the name of that one.
 */
export function classNameOf(object: object): string {
  for (let holder: object | null = object; holder !== null; holder = Object.getPrototypeOf(holder)) {
    const made: unknown = Object.hasOwn(holder, 'constructor') ? holder.constructor : undefined;
    if (namesItself(made)) return made.name;
  }
  return 'Object';
}

/** Whether its very class is one of the library, and not one that a user derived. */
export function isOfLibrary(object: object): boolean {
  return namesItself((object as { constructor?: unknown }).constructor);
}

function namesItself(made: unknown): made is { name: string } {
  return typeof made === 'function' && Object.getOwnPropertyDescriptor(made, 'name')?.get !== undefined;
}
