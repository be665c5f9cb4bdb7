import type { BackwardKernels } from '../../src/kernels/contract.js';
import type { FamilySource } from '../../src/kernels/state.js';
import type { AllKernels } from './kernels.js';

// What a call costs, told by the kernels that it runs: families that record them. A test uses them instead of the chosen ones:
//
//   vi.mock('../../src/kernels/state.js', async (original) => (await import('../support/recording.js')).recording(original));

export type KernelName = Exclude<keyof AllKernels, 'name' | 'allocate'>;

/** One run of a kernel: its name and its arguments. */
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
  shareOfMaximum: true,
  broadcast: true,
  sliceColumnsBackward: true,
  scatterRows: true,
  hasNaN: true,
  quietRows: true,
  withoutRows: true,
  quieted: true,
} satisfies Record<keyof BackwardKernels, true>) as (keyof BackwardKernels)[];

let runs: Run[] | undefined;
let asked = 0;

type MakeFamily = <K extends object>(source: FamilySource<K>) => () => K;

/** The module that chooses the kernels, with families that are recorded. */
export async function recording<State extends { family: MakeFamily }>(original: () => Promise<State>): Promise<State> {
  const state = await original();
  const family: MakeFamily = (source) => {
    const chosen = state.family(source);
    return () => {
      asked++;
      return new Proxy(chosen(), { get: recordedKernel });
    };
  };
  return { ...state, family };
}

function recordedKernel<K extends object>(chosen: K, name: string | symbol): unknown {
  const kernel: unknown = chosen[name as keyof K];
  if (typeof kernel !== 'function') return kernel;
  return (...args: unknown[]) => {
    runs?.push({ name: name as KernelName, args });
    return Reflect.apply(kernel, chosen, args);
  };
}

/** How often kernels were asked for, whether one was run or not. */
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
