// Who competes, and in what. An implementation prepares a problem once and gives the call that is timed.

export interface MatmulProblem {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  /** (m × k) */
  readonly a: Float32Array;
  /** (k × n) */
  readonly b: Float32Array;
}

export interface SoftmaxProblem {
  readonly rows: number;
  readonly cols: number;
  readonly x: Float32Array;
}

export interface AttentionProblem {
  readonly numHeads: number;
  /** Columns of one head, of q, k and v alike. */
  readonly dHead: number;
  readonly queries: number;
  readonly keys: number;
  readonly causal: boolean;
  /** (queries × numHeads·dHead); k and v are (keys × numHeads·dHead) */
  readonly q: Float32Array;
  readonly k: Float32Array;
  readonly v: Float32Array;
}

export interface LayerProblem {
  readonly tokens: number;
  readonly dModel: number;
  readonly numHeads: number;
  /** (tokens × dModel); every weight is (dModel × dModel) and stays between calls */
  readonly x: Float32Array;
  readonly wQ: Float32Array;
  readonly wK: Float32Array;
  readonly wV: Float32Array;
  readonly wO: Float32Array;
}

/** One prepared contender: the call from Float32Array to Float32Array that is timed, one that answers at once or later. */
export type Prepared = ({ readonly call: () => Float32Array } | { readonly callAsync: () => Promise<Float32Array> }) & {
  readonly dispose?: () => void;
};

type Prepares<Problem> = (problem: Problem) => Prepared | Promise<Prepared>;

/** What each operation of the benchmark takes. */
export interface Problems {
  matmul: MatmulProblem;
  /** b stays between calls: a weight. */
  residentMatmul: MatmulProblem;
  softmax: SoftmaxProblem;
  attention: AttentionProblem;
  layer: LayerProblem;
  /** One query; the last row of k and v is new in every call and is stored first where that is possible, the rest stay. */
  decode: AttentionProblem;
}

export type Operation = keyof Problems;
export type Operations = { readonly [Name in Operation]?: Prepares<Problems[Name]> };

export interface Implementation {
  readonly name: string;
  readonly kind: 'qkv' | 'loop' | 'peer';
  /** An absent operation is one that it cannot do. */
  readonly operations: Operations;
  /** Runs before every block of calls. */
  readonly activate?: () => void;
  /** GFLOP/s to presume of a slow implementation, so that what would take too long is skipped without trying it. */
  readonly presumedRate?: (operation: Operation) => number;
}
