import { describe, expect, it } from 'vitest';
import { findFocus, repeatedWord, tokenize } from '../../examples/explain/tokens.js';
import { fc } from '../support/property.js';

describe('tokenize', () => {
  it('gives ids in the order of first appearance', () => {
    expect(tokenize('the robot, the book')).toEqual({
      tokens: ['the', 'robot', ',', 'the', 'book'],
      isWord: [true, true, false, true, true],
      vocabulary: ['the', 'robot', ',', 'book'],
      ids: [0, 1, 2, 0, 3],
    });
    expect(tokenize(' \n\t\u00a0').tokens).toEqual([]);
  });

  it('cuts a long text as it would be cut in one piece', () => {
    const piece = fc.constantFrom(
      'robot',
      'don’t',
      '3.14',
      'e.g.',
      ' ',
      '\n',
      ', ',
      '…',
      '👩‍🚀',
      'é',
      '\u{1f1e9}\u{1f1ea}',
      'שלום',
      '12,5',
    );
    const segmenter = new Intl.Segmenter('en', { granularity: 'word' });
    fc.assert(
      fc.property(fc.array(piece, { minLength: 600, maxLength: 1200, size: 'max' }), (pieces) => {
        const text = pieces.join('');
        const whole = Array.from(segmenter.segment(text), ({ segment }) => segment).filter((s) => s.trim() !== '');
        expect(tokenize(text).tokens).toEqual(whole);
      }),
      { numRuns: 30 },
    );
  });

  it('keeps a word that is longer than a piece whole', () => {
    const long = 'a'.repeat(5000);
    expect(tokenize(`x ${long} y`).tokens).toEqual(['x', long, 'y']);
  });
});

it('findFocus takes the word asked for, its case before any case, else the last word', () => {
  const text = tokenize('Robot, robot é!');
  expect(findFocus(text, undefined)).toBe(3);
  expect(findFocus(text, 'robot')).toBe(2);
  expect(findFocus(text, 'ROBOT')).toBe(0);
  expect(findFocus(text, 'e\u0301')).toBe(3);
  expect(findFocus(text, '!')).toBe(4);
  expect(findFocus(tokenize('?!'), undefined)).toBe(1);
  expect(() => findFocus(text, 'dog')).toThrow('--focus must be a word of the text: got "dog"');
});

it('repeatedWord finds two positions of one word, of the focus word if it can', () => {
  const text = tokenize('a b a b b, c,');
  expect(repeatedWord(text, 1)).toEqual([1, 3]);
  expect(repeatedWord(text, 4)).toEqual([1, 4]);
  expect(repeatedWord(text, 6)).toEqual([0, 2]);
  expect(repeatedWord(tokenize('a, b, c'), 0)).toBeUndefined();
});
