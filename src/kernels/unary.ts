/** Every operation on single entries, y = f(x), and from which of the two its slope is computed. */
export const UNARY = {
  exp: 'y',
  log: 'x',
  sqrt: 'y',
  tanh: 'y',
  abs: 'x',
  relu: 'x',
  gelu: 'x',
  geluTanh: 'x',
  silu: 'x',
} as const;

/** What the option of a layer calls those that it can have between its maps. */
interface ActivationNames {
  relu: 'relu';
  gelu: 'gelu';
  geluTanh: 'gelu-tanh';
  silu: 'silu';
}

export type UnaryOperation = keyof typeof UNARY;
export type EntrywiseActivation = ActivationNames[keyof ActivationNames & UnaryOperation];

/** Those that layers can have between their maps: a family of kernels of its own. */
export type ActivationOperation = keyof ActivationNames & UnaryOperation;

/** The others, methods of Matrix. */
export type ElementaryOperation = Exclude<UnaryOperation, ActivationOperation>;

/**
 * Those that have a WASM kernel for y; its entry has their name. For dX all have one, named as in `exp_backward`. log has
 * none: its results are those of Math.log to the bit, which steps in float32 cannot give, and steps in float64 only where
 * the engine takes the same (docs/kernels.md).
 */
export type UnaryEntry = Exclude<UnaryOperation, 'log'>;
