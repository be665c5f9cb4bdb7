/** A number with three decimals, from 10 000 on in exponential form; never −0. */
export function fixed(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '∞' : '-∞';
  if (Math.abs(value) >= 10_000) return value.toExponential(2);
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace('-', '') : text;
}

/** A small positive number, such as an error: `0`, `3.0e-8`. */
export function tiny(value: number): string {
  return value === 0 ? '0' : value.toExponential(1);
}

/** 12 as ₁₂. */
export function subscript(index: number): string {
  return String(index).replace(/\d/g, (digit) => '₀₁₂₃₄₅₆₇₈₉'[Number(digit)]);
}

/** Row and column of a matrix: ₃₁, or ₁₂,₁ where digits alone would be ambiguous. */
export function subscripts(row: number, column: number): string {
  return subscript(row) + (row > 9 || column > 9 ? ',' : '') + subscript(column);
}
