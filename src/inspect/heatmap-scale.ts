/** An sRGB color, 0 to 255 each. */
export type Color = readonly [red: number, green: number, blue: number];

/** A cell at position t in [0, 1] of the scale has color ground + t·(full − ground), and black or white text. */
export interface Theme {
  ground: Color;
  full: Color;
}

export const LIGHT: Theme = { ground: [255, 255, 255], full: [10, 62, 140] };
export const DARK: Theme = { ground: [13, 17, 23], full: [130, 200, 255] };

/** The values shown without color (low) and in full color (high). */
export interface Scale {
  low: number;
  high: number;
}

/**
 * The scale from `low` to `high`; by default from 0, or the smallest entry if that is negative, to the largest. Entries that
 * are not finite do not count.
 */
export function scaleOf(matrices: readonly { readonly data: ArrayLike<number> }[], low?: number, high?: number): Scale {
  let [smallest, largest] = [0, Number.NEGATIVE_INFINITY];
  for (const { data } of matrices) {
    for (let i = 0; i < data.length; i++) {
      if (!Number.isFinite(data[i])) continue;
      smallest = Math.min(smallest, data[i]);
      largest = Math.max(largest, data[i]);
    }
  }
  const from = low ?? Math.min(smallest, high ?? smallest);
  return { low: from, high: high ?? Math.max(largest, from) };
}

/**
 * Where a value lies on the scale, from 0 to 1; NaN for NaN. If low equals high, values of at least high are 1, but 0 and
 * less are always 0.
 */
export function position({ low, high }: Scale, value: number): number {
  if (Number.isNaN(value)) return value;
  if (value >= high) return high > low || value > 0 ? 1 : 0;
  return value <= low ? 0 : (value - low) / (high - low);
}

export function blend({ ground, full }: Theme, t: number): Color {
  const mix = (i: 0 | 1 | 2) => Math.round(ground[i] + t * (full[i] - ground[i]));
  return [mix(0), mix(1), mix(2)];
}

/** Above this relative luminance black text has the better contrast, below it white: at least 4.58 : 1 in either case. */
const EVEN_LUMINANCE = /* @__PURE__ */ Math.sqrt(1.05 * 0.05) - 0.05;

export function textIsBlack(theme: Theme, t: number): boolean {
  return luminance(blend(theme, t)) > EVEN_LUMINANCE;
}

/** Relative luminance of WCAG 2.2, 0 for black to 1 for white. */
export function luminance(color: Color): number {
  const [red, green, blue] = color.map((part) => {
    const s = part / 255;
    return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** Writes the values of a map: `0.25`, `-1.50`, `0`; more decimals on a small scale; `3e-7` beyond four, and from 1000 on. */
export function valueWriter({ low, high }: Scale): (value: number) => string {
  const extent = Math.max(Math.abs(low), Math.abs(high));
  const digits = extent === 0 ? 2 : Math.max(2, 1 - Math.floor(Math.log10(extent)));
  return (value) => {
    if (Number.isNaN(value)) return 'NaN';
    if (!Number.isFinite(value)) return value > 0 ? '∞' : '-∞';
    if (value === 0) return '0';
    return digits > 4 || Math.abs(value) >= 1000 ? value.toExponential(0) : value.toFixed(digits);
  };
}
