/**
 * Every operation on single entries, y = f(x): from which of the two its slope is computed, and what the option of a layer
 * calls it, where layers can have it between their maps.
 */
export const UNARY = {
  exp: { slopeFrom: 'y' },
  log: { slopeFrom: 'x' },
  sqrt: { slopeFrom: 'y' },
  tanh: { slopeFrom: 'y' },
  relu: { slopeFrom: 'x', activation: 'relu' },
  gelu: { slopeFrom: 'x', activation: 'gelu' },
  geluTanh: { slopeFrom: 'x', activation: 'gelu-tanh' },
  silu: { slopeFrom: 'x', activation: 'silu' },
} as const;

export type UnaryOperation = keyof typeof UNARY;

/** Those that have a WASM kernel for y; its entry has their name. For dX all have one, named as in `exp_backward`. */
export type UnaryEntry = Exclude<UnaryOperation, 'log' | 'sqrt'>;

/** The names that the option of a layer has. */
export type EntrywiseActivation = Extract<(typeof UNARY)[UnaryOperation], { activation: string }>['activation'];
