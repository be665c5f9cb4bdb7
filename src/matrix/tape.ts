import type { Floats, SparseRows } from '../kernels/contract.js';

// Reverse-mode differentiation: while a tape records, every operation leaves a step on it; played back from the last
// step to the first, each turns the gradient of its output into those of its inputs. Griewank and Walther 2008,
// Evaluating Derivatives, chapter 3. Values are whatever the layer above calls a matrix: the tape only compares them.

/** Of a matrix: all entries, or some rows where the others are 0. */
export type Gradient = Floats | SparseRows;

/**
 * From ∂loss/∂output to ∂loss/∂input, in the order of the inputs; undefined = none. Never writes to its argument.
 *
 * @param isWanted  a flag per input; absent: all are. What is not wanted is dropped, so it need not be computed
 */
export type Backward = (dOut: Floats, isWanted?: readonly boolean[]) => readonly (Gradient | undefined)[];

interface Step<Value> {
  output: Value;
  inputs: readonly Value[];
  backward: Backward;
}

/** What the tape has to be told about gradients of a value. Both give what shares no memory with their arguments… */
export interface GradientAlgebra<Value> {
  /** …a + b; */
  add(value: Value, a: Gradient, b: Gradient): Gradient;
  /** …or, where it is dense already, the gradient itself. */
  dense(value: Value, gradient: Gradient): Floats;
  /** Throws where a value lost since what its step reads again. */
  requireWhole(value: Value): void;
}

let active: Tape<object> | undefined;

/** Leaves a step on the tape that records now, if one does. */
export function record<Value extends object>(output: Value, inputs: readonly Value[], backward: Backward): Value {
  active?.push({ output, inputs, backward });
  return output;
}

export function isRecording(): boolean {
  return active !== undefined;
}

/** An array of the caller's that a backward reads again: a copy while a tape records, so that it may change in between. */
export function kept<Values extends Uint8Array | Float32Array>(values: Values): Values {
  return isRecording() ? (values.slice() as Values) : values;
}

/** Runs f with `tape` recording, or nothing where it is undefined; what recorded before does so again afterwards. */
export function whileRecording<Result>(tape: Tape<object> | undefined, f: () => Result): Result {
  const before = active;
  active = tape;
  try {
    return f();
  } finally {
    active = before;
  }
}

export class Tape<Value extends object> {
  #steps: Step<Value>[] = [];

  push(step: Step<Value>): void {
    this.#steps.push(step);
  }

  /**
   * The gradients of `loss` with respect to the values in `keep`, and unless these are all (`onlyThese`), to every value that
   * no step computed. Steps and the gradients between them are let go on the way, so a tape plays once.
   */
  play(
    algebra: GradientAlgebra<Value>,
    loss: Value,
    dLoss: Floats,
    keep: ReadonlySet<Value>,
    onlyThese = false,
  ): Map<Value, Gradient> {
    const wanted = onlyThese ? this.#leadingFrom(keep) : undefined;
    const partials = new Map<Value, Partial[]>([[loss, [{ gradient: dLoss, uses: 1 }]]]);
    const sum = (value: Value, parts: readonly Partial[]): Gradient => {
      return parts.map(({ gradient }) => gradient).reduceRight((later, earlier) => algebra.add(value, earlier, later));
    };
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      const { output, inputs, backward } = step;
      const parts = partials.get(output);
      if (parts === undefined) continue;
      const isWanted = wanted && inputs.map((input) => wanted.has(input));
      if (isWanted?.includes(true) === false) continue;
      const dOut = sum(output, parts);
      if (keep.has(output)) partials.set(output, [{ gradient: dOut, uses: 1 }]);
      else partials.delete(output);
      algebra.requireWhole(output);
      inputs.forEach(algebra.requireWhole);
      backward(algebra.dense(output, dOut), isWanted).forEach((gradient, i) => {
        if (gradient !== undefined && isWanted?.[i] !== false) addUse(algebra, inputs[i], gradient, partials);
      });
    }
    const gradients = new Map<Value, Gradient>();
    for (const [value, parts] of partials) {
      if (!onlyThese || keep.has(value)) gradients.set(value, sum(value, parts));
    }
    return gradients;
  }

  /** These values, and all that was computed from them. */
  #leadingFrom(values: ReadonlySet<Value>): ReadonlySet<Value> {
    const found = new Set(values);
    for (const { output, inputs } of this.#steps) {
      if (inputs.some((input) => found.has(input))) found.add(output);
    }
    return found;
  }
}

/** The sum of the gradients of so many uses of a value. */
interface Partial {
  gradient: Gradient;
  uses: number;
}

/**
 * One use more. Sums of equally many uses are added, as the digits of a binary counter carry, so that n uses round log₂ n
 * times and not n. Never in place: an array may be the gradient of another value too.
 */
function addUse<Value extends object>(
  algebra: GradientAlgebra<Value>,
  value: Value,
  gradient: Gradient,
  partials: Map<Value, Partial[]>,
): void {
  const parts = partials.get(value) ?? [];
  partials.set(value, parts);
  let last: Partial = { gradient, uses: 1 };
  for (let before = parts.at(-1); before?.uses === last.uses; before = parts.at(-1)) {
    parts.pop();
    last = { gradient: algebra.add(value, before.gradient, last.gradient), uses: 2 * last.uses };
  }
  parts.push(last);
}
