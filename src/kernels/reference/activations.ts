import type { ActivationOperation, UnaryOperation } from '../unary.js';

/** y = f(x). */
export const activations: Record<ActivationOperation, (x: number) => number> = { relu, gelu, geluTanh, silu };

/** dy/dx from x and y = f(x). */
export const unarySlopes: Record<UnaryOperation, (x: number, y: number) => number> = {
  exp: (_, y) => y,
  log: (x) => 1 / x,
  sqrt: (_, y) => 0.5 / y,
  tanh: (_, y) => 1 - y * y,
  abs: (x) => (x > 0 ? 1 : x < 0 ? -1 : x), // 0 at 0
  relu: (x) => (x > 0 ? 1 : 0), // 0 at 0
  gelu: geluSlope,
  geluTanh: geluTanhSlope,
  silu: siluSlope,
};

/** max(x, 0); NaN stays NaN. */
export function relu(x: number): number {
  return x < 0 ? 0 : x;
}

/** x · σ(x) = x / (1 + e^{−x}); where e^{−x} overflows the limit is −0. */
export function silu(x: number): number {
  return x === Number.NEGATIVE_INFINITY ? -0 : x / (1 + Math.exp(-x));
}

/** x · Φ(x), Φ the normal distribution function: ½x·erfc(−x/√2). Hendrycks and Gimpel 2016, arXiv 1606.08415. */
export function gelu(x: number): number {
  return x === Number.NEGATIVE_INFINITY ? -0 : 0.5 * x * erfc(-x * Math.SQRT1_2);
}

/** The tanh form of the same paper: ½x(1 + tanh(√(2/π)(x + 0.044715x³))). */
export function geluTanh(x: number): number {
  if (x === Number.NEGATIVE_INFINITY) return -0;
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
}

/** σ(x)·(1 + x·(1 − σ(x))). */
export function siluSlope(x: number): number {
  if (!(Math.abs(x) < Number.POSITIVE_INFINITY)) return x > 0 ? 1 : x < 0 ? 0 : x;
  const sigma = 1 / (1 + Math.exp(-x));
  return sigma * (1 + x * (1 - sigma));
}

/** Φ(x) + x·φ(x), φ the normal density. */
export function geluSlope(x: number): number {
  if (!(Math.abs(x) < Number.POSITIVE_INFINITY)) return x > 0 ? 1 : x < 0 ? 0 : x;
  return 0.5 * erfc(-x * Math.SQRT1_2) + (x * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI);
}

/** With u = √(2/π)(x + 0.044715x³): ½(1 + tanh u) + ½x(1 − tanh² u)·√(2/π)(1 + 3·0.044715x²). */
export function geluTanhSlope(x: number): number {
  if (!(Math.abs(x) < 1e3)) return x > 0 ? 1 : x < 0 ? 0 : x; // the slope has long reached its limit
  const t = Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x);
}

// Rational Chebyshev approximations of erf and erfc: W. J. Cody 1969, Math. Comp. 23, pp. 631–637, tables I–III
// (relative error below 1e-16 in each range); highest power first, last entry of a numerator table its leading term.
const ERF_P = [
  1.85777706184603153e-1, 3.1611237438705656, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3,
];
const ERF_Q = [1, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3];
const ERFC_P = [
  2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1, 2.98635138197400131e2,
  8.8195222124176909e2, 1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3,
];
const ERFC_Q = [
  1, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3, 3.29079923573345963e3,
  4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3,
];
const TAIL_P = [
  1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
  1.60837851487422766e-2, 6.58749161529837803e-4,
];
const TAIL_Q = [
  1, 2.56852019228982242, 1.87295284992346047, 5.27905102951428412e-1, 6.05183413124413191e-2, 2.33520497626869185e-3,
];

function polynomial(coefficients: readonly number[], x: number): number {
  let value = 0;
  for (const coefficient of coefficients) value = value * x + coefficient;
  return value;
}

/** 1 − erf(x), without cancellation for large x. */
export function erfc(x: number): number {
  const size = Math.abs(x);
  if (size <= 0.46875) return 1 - (x * polynomial(ERF_P, x * x)) / polynomial(ERF_Q, x * x);
  if (size === Number.POSITIVE_INFINITY) return x > 0 ? 0 : 2;
  let ratio: number;
  if (size <= 4) {
    ratio = polynomial(ERFC_P, size) / polynomial(ERFC_Q, size);
  } else {
    const inverse = 1 / (size * size);
    const tail = (inverse * polynomial(TAIL_P, inverse)) / polynomial(TAIL_Q, inverse);
    ratio = (1 / Math.sqrt(Math.PI) - tail) / size;
  }
  const value = expMinusSquare(size) * ratio;
  return x > 0 ? value : 2 - value;
}

/** e^{−x²} with x² split so that its rounding error does not grow with x. */
function expMinusSquare(x: number): number {
  const coarse = Math.trunc(x * 16) / 16;
  return Math.exp(-coarse * coarse) * Math.exp(-(x - coarse) * (x + coarse));
}
