// A program can hold two copies of the library: through `import` and `require`, as two versions in one bundle, or as a test
// runner's own copy. Their classes differ, so each copy recognizes the other's objects by properties under registered symbols.

export type Brand = 'Matrix' | 'Parameter' | 'Gradients' | 'KVCache' | 'Module' | 'error';

/** Called by constructors instead of written into classes: a class with a computed key stays in every bundle. */
export function putBrand(object: object, brand: Brand, property: PropertyDescriptor = { value: true }): void {
  Object.defineProperty(object, symbolOf(brand), property);
}

/** The property that putBrand set on any value; undefined if it has none. */
export function brandOf(value: unknown, brand: Brand): unknown {
  return (value as Record<symbol, unknown> | null | undefined)?.[symbolOf(brand)];
}

function symbolOf(brand: Brand): symbol {
  return Symbol.for(`qkv.${brand}`);
}

/** The hint of messages about what cannot work across copies. */
export const TWO_COPIES = 'two copies of qkv are loaded, as by import and by require: use one of them';
