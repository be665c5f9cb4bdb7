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

/** The loss is the sum of out ∘ dOut. x and dOut are new in every call, the weights stay. */
export interface TrainingProblem extends LayerProblem {
  /** (tokens × dModel) */
  readonly dOut: Float32Array;
}

/** What a training step answers with, in this order, each of the shape of what it is the gradient of. */
export const LAYER_GRADIENTS = ['dX', 'dW_Q', 'dW_K', 'dW_V', 'dW_O'] as const;

/** One matrix, or a list of them. */
export type Answer = Float32Array | readonly Float32Array[];

/** One prepared contender: the call from Float32Array to Float32Array that is timed, one that answers at once or later. */
export type Prepared<Result extends Answer = Float32Array> = (
  | { readonly call: () => Result }
  | { readonly callAsync: () => Promise<Result> }
) & {
  readonly dispose?: () => void;
};

type Prepares<Problem, Result extends Answer> = (problem: Problem) => Prepared<Result> | Promise<Prepared<Result>>;

/** What each operation of the benchmark takes. */
export interface Problems {
  matmul: MatmulProblem;
  /** b stays between calls: a weight. */
  residentMatmul: MatmulProblem;
  softmax: SoftmaxProblem;
  attention: AttentionProblem;
  layer: LayerProblem;
  /** Forward and backward of the layer. */
  trainingStep: TrainingProblem;
  /** One query; the last row of k and v is new in every call and is stored first where that is possible, the rest stay. */
  decode: AttentionProblem;
}

export type Operation = keyof Problems;
type AnswerOf<Name extends Operation> = Name extends 'trainingStep' ? readonly Float32Array[] : Float32Array;
export type Operations = { readonly [Name in Operation]?: Prepares<Problems[Name], AnswerOf<Name>> };

export interface Implementation {
  readonly name: string;
  readonly kind: 'qkv' | 'loop' | 'peer';
  /** An absent operation is one that it cannot do. */
  readonly operations: Operations;
  /** Why an absent operation is absent, where that is worth a line. */
  readonly cannot?: { readonly [Name in Operation]?: string };
  /** Runs before every block of calls. */
  readonly activate?: () => void;
  /** GFLOP/s to presume of a slow implementation, so that what would take too long is skipped without trying it. */
  readonly presumedRate?: (operation: Operation) => number;
}
