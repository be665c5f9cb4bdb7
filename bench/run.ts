import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { capabilities, setKernels } from 'qkv';
import { type Settings, UsageError } from './arguments.js';
import { attentionCases, decodeCases } from './cases/attention.js';
import { layerCases } from './cases/layer.js';
import { matmulCases, matmulProblem, rowsCases } from './cases/matmul.js';
import { memoryCases, runMemory } from './cases/memory.js';
import { softmaxCases } from './cases/softmax.js';
import { trainingCases } from './cases/training.js';
import { naive } from './contenders/naive.js';
import { type MeasuredKernels, qkv } from './contenders/qkv.js';
import type { BenchCase, CaseResult, MemoryResult } from './harness/case.js';
import type { Implementation } from './harness/contender.js';
import type { Pace } from './harness/rounds.js';
import { runCase, type Yardsticks } from './harness/run-case.js';
import { runPeak } from './harness/run-peak.js';
import { loadPeers } from './peers/load.js';
import { environment, loadNow, placeText } from './report/environment.js';
import type { Results } from './report/results.js';
import { caseText, memoryText } from './report/tables.js';

export interface Surroundings {
  readonly root: string;
  /** The file to start again for a measurement in a process of its own. */
  readonly program: string;
  readonly say: (text: string) => void;
}

const PEAK = 'peak of 128-bit WASM SIMD';

/** Other work than this, on average, that still leaves a core to the benchmark. */
const QUIET_LOAD = 0.5;

/** A call of minutes, in the memory cases. */
const SLOWEST_MEMORY_CALL_MS = 30_000;

/** Measures everything the settings ask for, saying each case as soon as it is known. */
export async function runBenchmark(settings: Settings, { root, program, say }: Surroundings): Promise<Results> {
  const { quick, rounds } = settings;
  const loadBefore = loadNow();
  const pace: Pace = quick ? { rounds, blockMs: 0.2, warmUpMs: 1 } : { rounds, blockMs: 20, warmUpMs: 200 };
  const wanted = (name: string) => settings.cases.length === 0 || settings.cases.some((text) => name.includes(text));
  const benches = allCases(quick).filter(({ name }) => wanted(name));
  const memoryBenches = memoryCases(quick).filter(({ name }) => wanted(name));
  if (benches.length + memoryBenches.length === 0 && !wanted(PEAK)) {
    const names = [PEAK, ...[...allCases(quick), ...memoryCases(quick)].map(({ name }) => name)];
    throw new UsageError(
      `--case must be part of a name: got ${settings.cases.join(', ')} (names: ${names.join('; ')})`,
    );
  }
  const kernels = settings.kernels.map(availableKernels);
  const own = [...new Set(kernels)].map(qkv);
  const peersFolder = join(root, 'bench');
  const peers = settings.peers ? await loadPeers(peersFolder) : [];
  const implementations: Implementation[] = [...own, naive, ...peers];
  say(placeText(environment(root, loadBefore, rounds, {})));
  if (loadBefore > QUIET_LOAD) say(`The machine is busy (load ${loadBefore}): the numbers will be noisy.`);

  const cases: CaseResult[] = [];
  const record = (result: CaseResult) => {
    cases.push(result);
    say(caseText(result));
  };
  if (wanted(PEAK)) record(await runPeak(PEAK, pace));
  for (const bench of benches) record(await runCase(bench, implementations, yardsticks(own[0], quick), pace));

  const memory: MemoryResult[] = [];
  for (const bench of memoryBenches) {
    own.forEach((implementation, i) => {
      const ms = bench.flop / ((implementation.presumedRate?.('attention') ?? 1) * 1e6);
      if (ms > SLOWEST_MEMORY_CALL_MS) {
        say(`${bench.name}\n  left out: ${implementation.name}: a call would take about ${(ms / 1000).toFixed(0)} s`);
        return;
      }
      const result = runMemory(bench, kernels[i], program);
      memory.push(result);
      say(memoryText(result));
    });
  }
  const versions = settings.peers ? peerVersions(peersFolder) : {};
  return { environment: environment(root, loadBefore, rounds, versions), cases, memory };
}

function allCases(quick: boolean): BenchCase[] {
  const makers = [matmulCases, rowsCases, softmaxCases, attentionCases, layerCases, trainingCases, decodeCases];
  return makers.flatMap((make) => make(quick));
}

/** The choice itself, 'auto' resolved. @throws UsageError  if this engine cannot run it */
function availableKernels(choice: Settings['kernels'][number]): MeasuredKernels {
  try {
    setKernels(choice);
  } catch (error) {
    throw new UsageError(`--kernels ${choice}: ${error instanceof Error ? error.message : error}`);
  }
  const { kernels } = capabilities();
  if (kernels === 'float64') throw new Error('bench: float64 is what results are checked by, not a contender');
  return kernels;
}

function yardsticks(own: Implementation, quick: boolean): Yardsticks {
  const size = quick ? 24 : 512;
  return {
    ownMatmul: () => {
      const prepared = own.operations.matmul?.(matmulProblem(size, size, size));
      if (prepared === undefined || prepared instanceof Promise) throw new Error(`${own.name}: must multiply at once`);
      return { prepared, flop: 2 * size ** 3 };
    },
  };
}

/** What bench/package.json asks for, exactly. */
function peerVersions(folder: string): Record<string, string> {
  const { dependencies }: { dependencies: Record<string, string> } = JSON.parse(
    readFileSync(join(folder, 'package.json'), 'utf8'),
  );
  return dependencies;
}
