import { spawnSync } from 'node:child_process';
import process from 'node:process';
import type { MeasuredKernels } from '../contenders/qkv.js';
import type { MemoryResult } from '../harness/case.js';
import { attentionTrainingFlop, trainingFlop } from './training.js';

// Memory is measured in a process of its own: what it holds at most is a fact about a whole process.

export interface MemoryProbe {
  readonly kernels: MeasuredKernels;
  /** Forward; or 'gradients', forward and backward of attention, and 'training', of the layer. */
  readonly what: 'attention' | 'layer' | 'gradients' | 'training';
  readonly tokens: number;
  readonly numHeads: number;
  readonly dHead: number;
}

export interface MemoryCase {
  readonly name: string;
  readonly probe: Omit<MemoryProbe, 'kernels'>;
  readonly flop: number;
}

/** The word that makes the program measure memory and print one JSON line, instead of what it does for people. */
export const MEMORY_PROBE = 'memory-probe';

export function memoryCases(quick: boolean): MemoryCase[] {
  const [tokens, numHeads, dHead] = quick ? [64, 2, 8] : [8192, 12, 64];
  const dModel = numHeads * dHead;
  const attentionFlop = 4 * dModel * tokens * tokens;
  const size = `${numHeads}×${dHead}, L = ${tokens}`;
  return [
    {
      name: `memory of attention ${size}`,
      probe: { what: 'attention', tokens, numHeads, dHead },
      flop: attentionFlop,
    },
    {
      name: `memory of layer ${size}`,
      probe: { what: 'layer', tokens, numHeads, dHead },
      flop: attentionFlop + 8 * tokens * dModel * dModel,
    },
    {
      name: `memory of attention and its gradients ${size}`,
      probe: { what: 'gradients', tokens, numHeads, dHead },
      flop: attentionTrainingFlop(tokens, dModel),
    },
    {
      name: `memory of training step of layer ${size}`,
      probe: { what: 'training', tokens, numHeads, dHead },
      flop: trainingFlop(tokens, dModel),
    },
  ];
}

/** @param program  the file that understands MEMORY_PROBE @throws Error  with what the process said, if it fails */
export function runMemory({ name, probe }: MemoryCase, kernels: MeasuredKernels, program: string): MemoryResult {
  const spec: MemoryProbe = { ...probe, kernels };
  const args = ['--expose-gc', program, MEMORY_PROBE, JSON.stringify(spec)];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${name}: the process that measures must succeed: ${stderr.trim()}`);
  const { extraBytes, ms }: { extraBytes: number; ms: number } = JSON.parse(stdout);
  const unit = probe.tokens * probe.numHeads * probe.dHead * Float32Array.BYTES_PER_ELEMENT;
  return {
    case: name,
    group: 'memory',
    contender: `qkv ${kernels}`,
    extraBytes,
    extraUnits: extraBytes / unit,
    ms,
  };
}
