import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { declaredTypes } from './declared-types.js';
import { temporaryFolder } from './temporary.js';

const TEXT = `
  declare abstract class Between { both(): this; readonly fixed: 1; protected held: number; }
  declare class Last extends Between {
    #own; private hidden: number;
    constructor(size: number, options?: Options);
    /** @internal */ constructor(nothing: null);
    static get name(): string;
    static of(...sizes: number[]): Last;
    get size(): number;
    get length(): number; set length(length: number);
    other?: Last | null;
    both(): this;
    /** @internal */ mark(): void;
    [Symbol.iterator](): Iterator<number>;
  }
  declare class Deeper extends Last { own: string; }
  declare function call<Of>(f?: (of: Of) => Of, ...rest: Of[]): Of;
  interface Options extends Pick<Other, 'b'> { a?: 'z' | 'y'; }
  interface Other { b: number; c: number }
  interface Texts extends Map<string, string> { readonly count: number }
  type Names<Name extends string> = boolean | { [name in Name]: true };
  declare const five = 5;
  export { Last, Deeper as Class, call, five };
  export type { Options, Texts, Names };
`;

it('exports are printed by name, with what a user can reach, as it is inferred', () => {
  const file = join(temporaryFolder(), 'types.d.ts');
  writeFileSync(file, TEXT);
  expect(declaredTypes(file).split('\n')).toEqual([
    'class Class extends Last',
    '  new (size: number, options?: Options): Deeper',
    '  own: string',
    'class Last',
    '  new (size: number, options?: Options): Last',
    '  static of(...sizes: number[]): Last',
    '  readonly size: number',
    '  length: number',
    '  other?: Last | null | undefined',
    '  both(): Last',
    '  [Symbol.iterator](): Iterator<number, any, any>',
    '  readonly fixed: 1',
    'type Names<Name extends string> = boolean | { [name in Name]: true; }',
    'type Options',
    "  a?: 'y' | 'z'",
    '  b: number',
    'type Texts extends Map<string, string>',
    '  readonly count: number',
    'function call<Of>(f?: (of: Of) => Of, ...rest: Of[]): Of',
    'value five: 5',
  ]);
});
