// A program can hold two copies of the library: `import` beside `require`, two versions in one bundle, a test runner's own.
// Their classes are different ones, so each copy knows the objects of the others by properties under registered symbols.

export type Brand = 'Matrix' | 'Parameter' | 'Gradients' | 'KVCache' | 'Module' | 'error';

/** Called by constructors, not written into classes: a computed key there would keep the class in every bundle. */
export function putBrand(object: object, brand: Brand, property: PropertyDescriptor = { value: true }): void {
  Object.defineProperty(object, symbolOf(brand), property);
}

/** What stands under the brand of any value; undefined where it has none. */
export function brandOf(value: unknown, brand: Brand): unknown {
  return (value as Record<symbol, unknown> | null | undefined)?.[symbolOf(brand)];
}

function symbolOf(brand: Brand): symbol {
  return Symbol.for(`qkv.${brand}`);
}

/** The hint of what cannot work across copies. */
export const TWO_COPIES = 'two copies of qkv are loaded, as by import and by require: use one of them';
