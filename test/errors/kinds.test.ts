import { describe, expect, test } from 'vitest';
import { Matrix, ShapeError } from '../../src/index.js';
import { CALLABLES, PLACES, type TypedPlace } from '../calls/places.js';
import { GOOD_CALLS } from '../calls/registry.js';
import { attempt, text } from './attempt.js';
import { names } from './grammar.js';

/** Values with the kinds they can pass for. */
const VALUES: readonly [kinds: string[], value: unknown][] = [
  [[], null],
  [['number'], 1],
  [['boolean'], true],
  [['string'], 'junk'],
  [[], 5n],
  [[], Symbol('junk')],
  [['function'], () => 1],
  [['bag'], {}],
  [[], new Date(0)],
  [[], Promise.resolve(1)],
  [[], Object(3)],
  [['array'], []],
  [['array'], [1, 2]],
  [['array'], Object.freeze([1])],
  [['array', 'bag'], { length: 1, 0: 1 }],
  [['array', 'Float32Array'], Float32Array.of(1)],
  [['array', 'Uint8Array'], Uint8Array.of(1)],
  [['array'], BigInt64Array.of(1n)],
  [[], new DataView(new ArrayBuffer(8))],
  [['ArrayBuffer'], new ArrayBuffer(8)],
  [['Map'], new Map()],
  [[], new Set([1])],
  [['Matrix'], new Matrix(2, 2)],
];

/** A value of the right kind that cannot be right. */
const OUT_OF_RANGE: Record<string, unknown> = {
  number: Number.NaN,
  string: 'junk',
  Matrix: new Matrix(7, 9),
  array: [70, 80, 90, 100, 110, 120, 130, 140, 150, 160, 170],
  Uint8Array: new Uint8Array(7),
  Float32Array: new Float32Array(7),
};

/** Where every value of a kind is right, or can be judged only in a call. */
const ANY_VALUE: Record<string, string> = {
  'Matrix.set.value': 'a matrix holds any number',
  'Matrix.full.value': 'a matrix holds any number',
  'Matrix.add.other: number': 'a matrix holds any number',
  'Matrix.subtract.other: number': 'a matrix holds any number',
  'Matrix.multiply.other: number': 'a matrix holds any number',
  'Matrix.divide.other: number': 'a matrix holds any number',
  'Matrix.fromJSON.text': 'text of anything else is of a wrong kind',
  'Matrix.scale.s': 'a matrix holds any number',
  'Matrix.pow.exponent': 'a matrix holds any number',
  'Matrix.where.a: number': 'a matrix holds any number',
  'Matrix.where.b: number': 'a matrix holds any number',
  'Matrix.maximum.other: number': 'a matrix holds any number',
  'cuSeqlensFromLengths.lengths': 'sequences may have any lengths',
  'heatmapAnsi.weights': 'a map may have any shape',
  'heatmapSvg.weights': 'a map may have any shape',
  'toBertViz.weights': 'weights may have any shape',
  'heatmapSvg.title': 'a title is free text',
  'Gradients.get.x': 'any matrix may be asked for',
  'Gradients.dense.x': 'any matrix may be asked for',
  'Gradients.scale.s': 'a gradient holds any number',
  'logSoftmax.x': 'x may have any shape',
  'dropout.x': 'x may have any shape',
  'relu.x': 'x may have any shape',
  'softmax.x': 'x may have any shape',
  'gelu.x': 'x may have any shape',
  'silu.x': 'x may have any shape',
  'MultiHeadAttention.toTorch.prefix': 'names may begin with anything',
  'TransformerBlock.toTorch.prefix': 'names may begin with anything',
  'CausalLM.toTorch.prefix': 'names may begin with anything',
  'maskFromTorchMHA.mask': 'its size is known in a call',
  'new SelfAttention.mask': 'its size is known in a call',
  'new SelfAttention.keyMask': 'its size is known in a call',
  'new SelfAttention.cuSeqlens': 'its size is known in a call',
  'new SelfAttention.cuSeqlensK': 'its size is known in a call',
};

/** Where a message has another word than the parameter, or than all of a function's. */
const CALLED: Record<string, string> = {
  setKernels: 'kernels',
  'Matrix.get.r': 'row',
  'Matrix.get.c': 'column',
  'Matrix.set.r': 'row',
  'Matrix.set.c': 'column',
  'Matrix.row.r': 'row',
  'Matrix.from.rows': 'rows?', // a single row that is none
  'Matrix.matmul.other': '(other|b)', // a product is a · b
  'new SelfAttention.options': '(options?|dModel)', // which no options lack first
  'rotary.options': '(options?|numHeads)',
  'unpack.packed': '(packed|cuSeqlens)', // whose end must be the rows of packed
};

test('every public callable with parameters has a call that works, and every call a callable', () => {
  const named = CALLABLES.filter(({ parameters }) => parameters.length > 0).map(({ name }) => name);
  console.log(`${CALLABLES.length} public callables, ${PLACES.length} parameters and options`);
  expect(Object.keys(GOOD_CALLS).sort()).toEqual(named.sort());
  for (const name of named) expect(attempt(name, []), name).toBeUndefined();
});

describe('a wrong kind', () => {
  const limited = PLACES.filter(({ key }) => key !== 'isQkvError.value'); // which takes anything
  test.each(limited.map((place) => [place.key, place] as const))('%s', (_, place) => {
    const wrong = VALUES.filter(([kinds]) => !kinds.some((kind) => place.kinds.includes(kind))).map(
      ([, value]) => value,
    );
    if (!place.optional) wrong.push(undefined);
    for (const value of wrong) {
      const error = attempt(place.name, [[place, value]]);
      expect(error, `${place.key} = ${text(value)}`).toBeInstanceOf(TypeError);
      expectNamed(place, error);
    }
  });
});

describe('out of range', () => {
  test.each(PLACES.filter(isRanged).map((place) => [place.key, place] as const))('%s', (_, place) => {
    for (const kind of rangedKinds(place)) {
      const value = OUT_OF_RANGE[kind];
      const error = attempt(place.name, [[place, value]]);
      const isList = kind === 'array'; // a list of numbers may be a wrong kind too
      expect(error, `${place.key} = ${text(value)}`).toBeInstanceOf(isList ? Error : ShapeError);
      expectNamed(place, error);
      if (kind === 'number') expect(error?.message).toContain('NaN');
      if (kind === 'Matrix') expect(error?.message).toMatch(/[79]/);
    }
  });

  test('the exceptions are places of the surface', () => {
    const keys = PLACES.flatMap(({ key, name, kinds }) => [key, name, ...kinds.map((kind) => `${key}: ${kind}`)]);
    expect([...Object.keys(ANY_VALUE), ...Object.keys(CALLED)].filter((key) => !keys.includes(key))).toEqual([]);
  });
});

function isRanged(place: TypedPlace): boolean {
  return rangedKinds(place).length > 0;
}

/** The kinds of a place of which some values are wrong. */
function rangedKinds({ key, kinds }: TypedPlace): string[] {
  if (key in ANY_VALUE) return [];
  return kinds.filter((kind) => kind in OUT_OF_RANGE && !(`${key}: ${kind}` in ANY_VALUE));
}

/** The message has the user's own name for it; a bag of options may be named by an option in it that is unknown. */
function expectNamed({ key, path, name }: TypedPlace, error: Error | undefined): void {
  const own = path.at(-1) ?? key.slice(name.length + 1);
  const called = CALLED[key] ?? CALLED[name] ?? own.replace(/^options$/, 'options?');
  const message = error?.message ?? '';
  expect(names(message, called), `${own} is named in: ${message}`).toBe(true);
}
