import type { BackwardKernels, Kernels } from '../../src/kernels/contract.js';

// What a call costs, told by the kernels it runs: a Kernels that counts. A test takes it in place of the chosen kernels:
//
//   vi.mock('../../src/kernels/state.js', async (original) => (await import('../support/recording.js')).recording(original));

export type KernelName = Exclude<keyof Kernels, 'name' | 'allocate'>;

/** One run of a kernel: its name and what it was given. */
export interface Run {
  name: KernelName;
  args: readonly unknown[];
}

/** Every kernel that only a gradient needs; one that is left out does not compile. */
export const BACKWARD = Object.keys({
  sumRows: true,
  softmaxBackward: true,
  logSoftmaxBackward: true,
  unaryBackward: true,
  gatherRowsBackward: true,
  attentionBackward: true,
  layerNormBackward: true,
  rmsNormBackward: true,
  crossEntropyBackward: true,
} satisfies Record<keyof BackwardKernels, true>) as (keyof BackwardKernels)[];

let runs: Run[] | undefined;
let asked = 0;
const recorders = new WeakMap<Kernels, Kernels>();

/** The module that chooses the kernels, with kernels that are recorded. */
export async function recording<State extends { kernels(): Kernels }>(original: () => Promise<State>): Promise<State> {
  const state = await original();
  const kernels = () => {
    asked++;
    const chosen = state.kernels();
    const recorder = recorders.get(chosen) ?? new Proxy(chosen, { get: recordedKernel });
    recorders.set(chosen, recorder);
    return recorder;
  };
  return { ...state, kernels };
}

function recordedKernel(chosen: Kernels, name: keyof Kernels): unknown {
  const kernel = chosen[name];
  if (typeof kernel !== 'function' || name === 'name' || name === 'allocate') return kernel;
  return (...args: unknown[]) => {
    runs?.push({ name, args });
    return Reflect.apply(kernel, chosen, args);
  };
}

/** How often anything has asked for the kernels, whether it ran one or not. */
export function timesAsked(): number {
  return asked;
}

/** Every kernel that f runs, in order. */
export function runsOf(f: () => unknown): Run[] {
  const outer = runs;
  const own: Run[] = [];
  runs = own;
  try {
    f();
  } finally {
    runs = outer;
  }
  return own;
}

/** How often f runs each of these kernels. */
export function countsOf<Name extends KernelName>(names: readonly Name[], f: () => unknown): Record<Name, number> {
  const all = runsOf(f);
  const counts = names.map((name) => [name, all.filter((run) => run.name === name).length]);
  return Object.fromEntries(counts);
}
