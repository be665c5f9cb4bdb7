import type { Matrix } from 'qkv';
import { fixed, subscript, subscripts, tiny } from './numbers.js';
import { type Page, shown } from './page.js';

/** One head of the focus row. */
export interface FocusHead {
  head: number;
  /** The position of the focus word. */
  row: number;
  /** One per token. */
  weights: ArrayLike<number>;
  /** (L × heads·dV). */
  v: Matrix;
  /** The row of the output, heads·dV numbers. */
  output: ArrayLike<number>;
  /** Columns of one head. */
  dV: number;
}

/** The sum computed again in float64, and how far the output of the library is from it. */
interface Check {
  sum: number[];
  /** For the entry whose error is the largest relative to the allowed error. */
  difference: number;
  allowed: number;
  holds: boolean;
}

/** Σⱼ weightⱼ·vⱼ of one head, entry by entry. */
export function checkSum({ head, weights, v, output, dV }: FocusHead): Check {
  const check: Check = { sum: [], difference: 0, allowed: 0, holds: true };
  for (let c = head * dV; c < (head + 1) * dV; c++) {
    let [sum, magnitude] = [0, 0];
    for (let j = 0; j < weights.length; j++) {
      const term = weights[j] * v.data[j * v.cols + c];
      sum += term;
      magnitude += Math.abs(term);
    }
    // float32 rounds each of L sums; the exponentials and quotients behind weights and output add at most 8 roundings:
    // (L + 8)·2^-24 times the sum of the magnitudes.
    const allowed = (weights.length + 8) * 2 ** -24 * magnitude;
    const difference = Math.abs(sum - output[c]);
    const isWorst = check.sum.length === 0 || !(difference - allowed <= check.difference - check.allowed);
    if (check.holds && isWorst) [check.difference, check.allowed] = [difference, allowed];
    check.holds &&= difference <= allowed;
    check.sum.push(sum);
  }
  return check;
}

/**
 * `output₃ = weight₃₀·v₀ + …` with its numbers, one line per term, and the check against the output.
 *
 * @param terms  the positions to write; the rest is one line
 * @returns  whether the output is what the sum says
 */
export function writeSum(page: Page, focus: FocusHead, tokens: readonly string[], terms: readonly number[]): boolean {
  const { head, row, weights, v, output, dV } = focus;
  const columns = Math.min(dV, Math.max(1, Math.floor((page.room - 34) / 9)));
  const vector = (values: ArrayLike<number>, from: number) => {
    const entries = Array.from({ length: columns }, (_, c) => fixed(values[from + c]).padStart(8));
    return `(${entries.join(' ')}${columns < dV ? ' …' : ' '})`;
  };
  const i = subscript(row);
  page.line(`${page.bold(`head ${head}`)}   output${i} = Σⱼ weight${i}ⱼ·vⱼ`);
  page.line(`      = ${firstTerms(row, terms, weights.length, page.room - 8)}`);
  terms.forEach((j, n) => {
    const name = `v${subscript(j)}`.padEnd(4);
    const sign = n === 0 ? ' ' : '+';
    page.line(`  ${sign} ${fixed(weights[j], 4)} · ${vector(v.row(j), head * dV)}  ${name} ${shown(tokens[j], 14)}`);
  });
  if (terms.length < weights.length)
    page.line(`  + ${weights.length - terms.length} more terms, not shown, all in the sum`);
  const check = checkSum(focus);
  page.line(`  = ${' '.repeat(9)}${vector(check.sum, 0)}  the sum, in float64`);
  const verdict = check.holds ? '✓' : '✗ DIFFERS:';
  page.line(`    ${' '.repeat(9)}${vector(output, head * dV)}  row ${row} of the output`);
  page.line(`    ${verdict} apart by ${tiny(check.difference)}, float32 allows ${tiny(check.allowed)}`);
  return check.holds;
}

/** `weight₃₀·v₀ + weight₃₁·v₁ + …`, as many terms as fit. */
function firstTerms(row: number, terms: readonly number[], all: number, columns: number): string {
  let text = '';
  for (let n = 0; n < terms.length; n++) {
    const longer = `${text}${n === 0 ? '' : ' + '}weight${subscripts(row, terms[n])}·v${subscript(terms[n])}`;
    if (n > 0 && longer.length > columns - 4) return `${text} + …`;
    text = longer;
  }
  return terms.length < all ? `${text} + …` : text;
}
