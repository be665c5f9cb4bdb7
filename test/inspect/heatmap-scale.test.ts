import { describe, expect, it } from 'vitest';
import {
  blend,
  DARK,
  LIGHT,
  luminance,
  position,
  scaleOf,
  textIsBlack,
  valueWriter,
} from '../../src/inspect/heatmap-scale.js';

const data = (...values: number[]) => [{ data: values }];

describe('scaleOf', () => {
  it.each([
    [data(0.2, 0.5), undefined, undefined, { low: 0, high: 0.5 }],
    [data(-2, 3), undefined, undefined, { low: -2, high: 3 }],
    [[{ data: [0.2] }, { data: [0.7] }], undefined, undefined, { low: 0, high: 0.7 }],
    [
      data(Number.NaN, Number.NEGATIVE_INFINITY, 0.5, Number.POSITIVE_INFINITY),
      undefined,
      undefined,
      { low: 0, high: 0.5 },
    ],
    [data(0.2, 0.5), 0.1, 1, { low: 0.1, high: 1 }],
    [data(0.2, 0.5), 2, undefined, { low: 2, high: 2 }],
    [data(0.2, 0.5), undefined, -1, { low: -1, high: -1 }],
    [data(), undefined, undefined, { low: 0, high: 0 }],
    [data(0, 0), undefined, undefined, { low: 0, high: 0 }],
  ])('%j from %j to %j', (maps, low, high, scale) => {
    expect(scaleOf(maps, low, high)).toEqual(scale);
  });
});

describe('position', () => {
  it.each([
    [{ low: 0, high: 0.5 }, 0.25, 0.5],
    [{ low: -1, high: 1 }, 0, 0.5],
    [{ low: 0, high: 1 }, -3, 0],
    [{ low: 0, high: 1 }, 3, 1],
    [{ low: 0, high: 1 }, Number.NEGATIVE_INFINITY, 0],
    [{ low: 0, high: 1 }, Number.POSITIVE_INFINITY, 1],
    [{ low: 0, high: 0 }, 0, 0],
    [{ low: 2, high: 2 }, 3, 1],
    [{ low: 0, high: 1 }, Number.NaN, Number.NaN],
  ])('on %j, %d lies at %d', (scale, value, t) => {
    expect(position(scale, value)).toBe(t);
  });
});

describe('colors', () => {
  // WCAG 2.2, 1.4.3: text needs a contrast of 4.5 : 1. The better of black and white has at least 4.58.
  it.each([
    ['light', LIGHT],
    ['dark', DARK],
  ])('the text on every cell of the %s theme has a contrast of at least 4.5', (_, theme) => {
    for (let t = 0; t <= 1; t += 1 / 256) {
      const ground = luminance(blend(theme, t)) + 0.05;
      const contrast = textIsBlack(theme, t) ? ground / 0.05 : 1.05 / ground;
      expect(contrast).toBeGreaterThanOrEqual(4.5);
    }
  });

  it('luminance is 0 for black, 1 for white, and weighs green most', () => {
    expect(luminance([0, 0, 0])).toBe(0);
    expect(luminance([255, 255, 255])).toBeCloseTo(1, 12); // three weights that sum to 1 up to rounding
    expect(luminance([0, 255, 0])).toBeGreaterThan(luminance([255, 0, 255]));
  });

  it('blend runs from the ground to full color', () => {
    expect(blend(LIGHT, 0)).toEqual(LIGHT.ground);
    expect(blend(LIGHT, 1)).toEqual(LIGHT.full);
  });
});

describe('valueWriter', () => {
  it.each([
    [{ low: 0, high: 1 }, 0.256, '0.26'],
    [{ low: 0, high: 1 }, 0, '0'],
    [{ low: 0, high: 1 }, 0.001, '0.00'],
    [{ low: 0, high: 0.0088 }, 0.00312, '0.0031'],
    [{ low: 0, high: 3e-7 }, 2.6e-7, '3e-7'],
    [{ low: -3, high: 2 }, -1.5, '-1.50'],
    [{ low: 0, high: 1e30 }, 1e30, '1e+30'],
    [{ low: 0, high: 0 }, 0, '0'],
    [{ low: 0, high: 1 }, Number.NEGATIVE_INFINITY, '-∞'],
    [{ low: 0, high: 1 }, Number.POSITIVE_INFINITY, '∞'],
    [{ low: 0, high: 1 }, Number.NaN, 'NaN'],
  ])('on %j, %d is %s', (scale, value, text) => {
    expect(valueWriter(scale)(value)).toBe(text);
  });
});
