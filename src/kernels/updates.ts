import type { Floats } from './contract.js';

// The family of kernels that an optimizer needs: the only ones that write to what they are given.

/** What an update moves, in place, and by which gradient. */
export interface Moved {
  /** (… × cols). */
  p: Floats;
  /** As long as p; with rows (rows.length × cols). */
  gradient: Floats;
  /** Row i of the gradient is of row rows[i] of p, ascending, each once; the others stay. Absent: all of p moves. */
  rows?: Int32Array;
  cols: number;
}

/**
 * g += weightDecay·p; b = momentum·b + g; p −= learningRate·(b, or g + momentum·b with nesterov).
 * Without a buffer: p −= learningRate·g.
 */
export interface SGDUpdate extends Moved {
  /** b of every entry, as long as p. */
  buffer?: Floats;
  learningRate: number;
  momentum: number;
  nesterov: boolean;
  weightDecay: number;
}

/** g += added·p; m = β₁·m + (1 − β₁)·g; v = β₂·v + (1 − β₂)·g²; p = kept·p − rate·m/(√v/rootCorrection + ε). */
export interface AdamUpdate extends Moved {
  /** m and v of every entry, each as long as p. */
  m: Floats;
  v: Floats;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** learningRate/(1 − β₁^t). */
  rate: number;
  /** √(1 − β₂^t). */
  rootCorrection: number;
  /** Share of p that decay adds to its gradient. */
  added: number;
  /** Share of p that decoupled decay leaves. */
  kept: number;
}

export interface UpdateKernels {
  updateSGD(update: SGDUpdate): void;
  updateAdam(update: AdamUpdate): void;
  /** √Σ x² over all parts, as of one long vector, in float64; infinite or NaN only where an entry is. */
  euclideanNorm(parts: readonly Floats[]): number;
}

/**
 * b = momentum·b + (1 − momentum)·g; the direction is u/max(‖u‖, ε) with u = b, or (1 − momentum)·g + momentum·b with
 * nesterov.
 */
export interface MuonDirection {
  gradient: Floats;
  /** b of every entry, as long as the gradient; the only array that is written to. */
  buffer: Floats;
  momentum: number;
  nesterov: boolean;
  epsilon: number;
}

export interface MuonKernels {
  muonDirection(direction: MuonDirection): Floats;
  /** a·I + b·S + c·S² of S and its square, both (n × n). */
  quinticFactor(s: Floats, square: Floats, n: number, coefficients: readonly [a: number, b: number, c: number]): Floats;
}
