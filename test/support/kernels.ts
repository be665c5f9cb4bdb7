import type {
  AttentionBackwardProblem,
  AttentionForwardProblem,
  AttentionProblem,
  AttentionStage,
} from '../../src/kernels/attention-problem.js';
import { backwardKernels } from '../../src/kernels/backward.js';
import type {
  ActivationOperation,
  Allocate,
  ElementaryOperation,
  Floats,
  UnaryOperation,
} from '../../src/kernels/contract.js';
import {
  activationKernels,
  attentionKernels,
  attentionSteps,
  dropouts,
  elementwise,
  layouts,
  losses,
  norms,
  products,
  rotations,
  softmaxKernels,
  updates,
} from '../../src/kernels/families.js';
import { capabilities, type KernelChoice, table, withKernels } from '../../src/kernels/state.js';
import * as attention from '../../src/kernels/wasm/calls/attention.js';
import { attentionBackward } from '../../src/kernels/wasm/calls/attention-backward.js';
import { KernelMemory } from '../../src/kernels/wasm/memory/memory.js';
import { type Entries, entriesOf, type KernelModule, type Runtime } from '../../src/kernels/wasm/module/launch.js';

/** Every operation of every family, on the kernels that are chosen now. */
export function kernels() {
  const [elementary, activations] = [elementwise(), activationKernels()];
  const unary = (operation: UnaryOperation, x: Floats) =>
    ['exp', 'log', 'sqrt', 'tanh'].includes(operation)
      ? elementary.unary(operation as ElementaryOperation, x)
      : activations.unary(operation as ActivationOperation, x);
  return {
    ...products(),
    ...layouts(),
    ...elementary,
    ...softmaxKernels(),
    ...losses(),
    ...norms(),
    ...rotations(),
    ...attentionKernels(),
    ...attentionSteps(),
    ...dropouts(),
    ...updates(),
    ...backwardKernels(),
    unary,
    name: capabilities().kernels,
    allocate: allocateNow(),
  };
}

function allocateNow(): Allocate {
  const name = capabilities().kernels;
  return (length) => withKernels(name, () => table(length));
}

export type AllKernels = ReturnType<typeof kernels>;

/** Every operation on one twin, whatever is chosen when it is called. */
export function kernelsOf(twin: KernelChoice): AllKernels {
  return withKernels(twin, kernels);
}

/** A memory of its own for kernels. */
export function newRuntime(memory = new KernelMemory()): Runtime {
  return { memory };
}

/** Attention in a memory of its own; the rest of the reference. */
export function attentionOn(runtime: Runtime): AllKernels {
  return {
    ...kernelsOf('reference'),
    attention: (problem: AttentionForwardProblem) => attention.attention(runtime, problem),
    attentionStatistics: (problem: AttentionProblem) => attention.attentionStatistics(runtime, problem),
    attentionStage: (problem: AttentionProblem, stage: AttentionStage, sequence: number, head: number) =>
      attention.attentionStage(runtime, problem, stage, sequence, head),
    attentionBackward: (problem: AttentionBackwardProblem) => attentionBackward(runtime, problem),
  };
}

/** The entries of a module by the names that they have in its source, which the generated file translates. */
export function namedEntries<Name extends string>(
  runtime: Runtime,
  module: KernelModule,
  names: Readonly<Record<Name, string>>,
): Record<Name, Entries[string]> {
  const entries = entriesOf(runtime, module);
  const named = Object.entries<string>(names).map(([name, exported]) => [name, entries[exported]]);
  return Object.fromEntries(named) as Record<Name, Entries[string]>;
}

/** Runs f with some entries of a module exchanged. */
export function withEntries<T, Name extends string>(
  runtime: Runtime,
  module: KernelModule,
  names: Readonly<Record<Name, string>>,
  change: (entries: Record<Name, Entries[string]>) => Partial<Record<Name, Entries[string]>>,
  f: () => T,
): T {
  const entries = entriesOf(runtime, module);
  const changed = { ...entries };
  for (const [name, entry] of Object.entries<Entries[string]>(
    change(namedEntries(runtime, module, names)) as Entries,
  )) {
    changed[names[name as Name]] = entry;
  }
  module.linked = { runtime, entries: changed };
  try {
    return f();
  } finally {
    module.linked = { runtime, entries };
  }
}
