import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { displayWidth, graphemes, pad, truncate, visibleLabel } from '../../src/inspect/labels.js';

describe('visibleLabel', () => {
  it.each([
    ['I am a robot', 'I am a robot'],
    ['\u001b[31mred\u001b[0m', '␛[31mred␛[0m'],
    ['a\nb\tc\r\0', 'a␊b␉c␍␀'],
    ['\u007f\u009b31m', '␡\ufffd31m'],
    ['abc\u202edef\u2066\u200f\u061c', 'abc\ufffddef\ufffd\ufffd\ufffd'],
    ['a\u2028b\u2029', 'a\ufffdb\ufffd'],
    ['x\ud800y\udc00', 'x\ufffdy\ufffd'],
    ['\ufffe\uffff\u{1fffe}', '\ufffd\ufffd\ufffd'],
    ['机器人 שלום é 👩‍🚀 \u{1f1e9}\u{1f1ea}', '机器人 שלום é 👩‍🚀 \u{1f1e9}\u{1f1ea}'],
  ])('%j', (label, expected) => {
    expect(visibleLabel(label)).toBe(expected);
  });
});

describe('displayWidth', () => {
  it.each([
    ['', 0],
    ['robot', 5],
    ['机器人', 6],
    ['ロボット', 8],
    ['로봇', 4],
    ['\u1105\u1169\u1107\u1169\u11ba', 4], // 로봇, decomposed into jamo
    ['ＡＢ', 4],
    ['e\u0301a\u0308', 2],
    ['שָׁלוֹם', 4], // with vowel points
    ['👩‍🚀', 2],
    ['😀😀', 4],
    ['\u{1f1e9}\u{1f1ea}', 2],
    ['❤\ufe0f', 2],
    ['1\ufe0f\u20e3', 2],
    ['a\u200db\u200c', 2],
    ['หุ่น', 2],
    ['𠀋', 2],
    ['␛…·→', 4],
  ])('%j is %i columns wide', (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });
});

describe('truncate and pad', () => {
  it.each([
    ['robot', 5, 'robot'],
    ['robot', 4, 'rob…'],
    ['机器人', 6, '机器人'],
    ['机器人', 5, '机器…'],
    ['机器人', 4, '机…'],
    ['e\u0301e\u0301e\u0301', 2, 'e\u0301…'],
    ['👩‍🚀👩‍🚀', 3, '👩‍🚀…'],
    ['robot', 1, '…'],
  ])('truncate(%j, %i) is %j', (text, columns, expected) => {
    expect(truncate(text, columns)).toBe(expected);
    expect(displayWidth(truncate(text, columns))).toBeLessThanOrEqual(columns);
  });

  it('pad fills or cuts to the very width, on the side asked for', () => {
    expect(pad('am', 5)).toBe('am   ');
    expect(pad('am', 5, 'right')).toBe('   am');
    expect(pad('机器人', 5)).toBe('机器…');
    expect(pad('机器人', 4)).toBe('机… ');
  });

  it('pad fences right-to-left words off, so that they leave the numbers beside them in order', () => {
    for (const word of ['שלום', 'مرحبا', '\u{10800}']) {
      expect(pad(word, 8)).toContain(`\u200e${word}\u200e`);
      expect(displayWidth(pad(word, 8))).toBe(8);
    }
    expect(pad('robot', 8)).not.toContain('\u200e');
  });
});

it('graphemes are what a reader calls characters', () => {
  expect(graphemes('ab')).toEqual(['a', 'b']);
  expect(graphemes('e\u0301👩‍🚀机')).toEqual(['e\u0301', '👩‍🚀', '机']);
});

describe('an engine without Intl.Segmenter', () => {
  it.each([undefined, {}])('has labels all the same (Intl = %j)', (intl) => {
    vi.stubGlobal('Intl', intl);
    onTestFinished(() => void vi.unstubAllGlobals());
    expect(graphemes('机é🙂')).toEqual(['机', 'é', '🙂']);
    expect(displayWidth('机器人 é🙂')).toBe(10);
    expect(pad('机器人', 5)).toBe('机器…');
  });
});
