import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, test } from 'vitest';
import { CALLABLES } from '../calls/places.js';
import { answered, answerTo, mistakesOn } from './page.js';

const FILE = fileURLToPath(new URL('./messages.txt', import.meta.url));
if (process.env.QKV_MESSAGES === 'write') writeFileSync(FILE, answered(readFileSync(FILE, 'utf8')));
const PAGE = readFileSync(FILE, 'utf8');
const MISTAKES = mistakesOn(PAGE);
const NAMES = [...new Set(MISTAKES.map(({ name }) => name))];

describe('mistakes and their answers', () => {
  test.each(NAMES)('%s', (name) => {
    const mistakes = MISTAKES.filter((mistake) => mistake.name === name);
    const lines = (answerOf: (mistake: (typeof mistakes)[0]) => string) =>
      mistakes.flatMap((mistake) => [mistake.call, answerOf(mistake)]);
    expect(lines(answerTo)).toEqual(lines(({ answer }) => answer));
  });
});

/** Callables for which one class of mistake does not exist. */
const NO_SHAPE_MISTAKE: Record<string, string> = {
  'Matrix.scale': 'any number will do',
  'Matrix.pow': 'any number will do',
  'Matrix.map': 'any function will do that gives numbers',
  noGrad: 'any function will do that waits for nothing',
  'Gradients.get': 'any matrix may be asked for',
  'Gradients.dense': 'any matrix may be asked for',
  'Gradients.add': 'gradients of any matrices add up',
  'Gradients.scale': 'any number will do',
  'Optimizer.step': 'gradients of any matrices will do',
  logSoftmax: 'x may have any shape',
  relu: 'x may have any shape',
  softmax: 'x may have any shape',
  silu: 'x may have any shape',
  'Module.train': 'true and false both will do',
};

const NO_MISTAKE: Record<string, string> = { isQkvError: 'any value may be asked about' };

test('every public callable with parameters has a mistake of shape or range, and one of kind', () => {
  const has = (name: string, kind: string) => MISTAKES.some((one) => one.name === name && one.answer.startsWith(kind));
  const named = CALLABLES.filter(({ parameters }) => parameters.length > 0).map(({ name }) => name);
  console.log(`${MISTAKES.length} mistakes with their messages`);
  const without = (kind: string) => named.filter((name) => !has(name, kind) && !(name in NO_MISTAKE));
  expect(without('TypeError: ')).toEqual([]);
  expect(without('ShapeError: ').sort()).toEqual(Object.keys(NO_SHAPE_MISTAKE).sort());
  expect(NAMES.filter((name) => !CALLABLES.some((callable) => callable.name === name))).toEqual([]);
});

describe('the page', () => {
  const page =
    'How to read it.\n\n# Matrices\nwhere n = -1\n\n## new Matrix\nnew Matrix(n, 0)\n    X: y\nnew Matrix(1, 0)\n';

  it('is read by chapter, callable, call and answer', () => {
    const where = ['n = -1'];
    expect(mistakesOn(page)).toEqual([
      { name: 'new Matrix', call: 'new Matrix(n, 0)', line: 6, where, answer: 'X: y' },
      { name: 'new Matrix', call: 'new Matrix(1, 0)', line: 8, where, answer: '' },
    ]);
  });

  it('is answered anew, where it has an answer and where it has none', () => {
    const words = 'ShapeError: Matrix: rows must be an integer of at least 0: got -1';
    expect(answered(page)).toBe(page.replace('X: y', words).replace(/\n$/, '\n    nothing is thrown\n'));
  });

  it('answers what is no error of the library by its fault, and has no fault of its own for an answer', () => {
    const [mistake] = mistakesOn(page);
    expect(answerTo({ ...mistake, call: 'n.x.y' })).toMatch(/^not the grammar: /);
    expect(answerTo({ ...mistake, call: 'missing' })).toMatch(/^a ReferenceError: /);
    expect(() => answerTo({ ...mistake, where: ['n = missing'] })).toThrow(ReferenceError);
  });

  it('has one place for a callable, and there calls of it, each once', () => {
    expect(new Set(MISTAKES.map(({ name, call, where }) => `${where} ${name} ${call}`)).size).toBe(MISTAKES.length);
    expect(PAGE.match(/^## .*/gm)).toHaveLength(NAMES.length);
    const member = (name: string) => name.replace(/^.*\./, '');
    expect(MISTAKES.filter(({ name, call }) => !call.includes(member(name)))).toEqual([]);
  });
});
