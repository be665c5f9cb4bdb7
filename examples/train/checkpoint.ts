import { existsSync } from 'node:fs';
import { readSafetensors, type StoredTensor, writeSafetensors } from 'qkv';
import { quote, UsageError } from '../shared/command-line.js';
import { readBytes, writeWhole } from '../shared/files.js';
import type { RunSettings } from './arguments.js';
import { newRun, type Point, type Run } from './run.js';
import { readText } from './text.js';

// A checkpoint is a safetensors file: the parameters as `model.…`, the optimiser as `optimiser.…`, the loss curve as
// `history.…`, the rest as texts.

const FORMAT = 'qkv train 1';

type State = ReadonlyMap<string, StoredTensor>;

const prefixed = (prefix: string, state: State) =>
  [...state].map(([name, tensor]) => [`${prefix}.${name}`, tensor] as const);

function part(prefix: string, state: State): Map<string, StoredTensor> {
  const own = [...state].filter(([name]) => name.startsWith(`${prefix}.`));
  return new Map(own.map(([name, tensor]) => [name.slice(prefix.length + 1), tensor]));
}

/** @param shown  the path as the user wrote it @throws UsageError */
export function save(run: Run, path: string, shown: string): void {
  const tensors = new Map([
    ...prefixed('model', run.model.stateDict()),
    ...prefixed('optimiser', run.optimiser.stateDict()),
    ...prefixed('history', historyState(run.history)),
  ]);
  const bytes = writeSafetensors(tensors, {
    format: FORMAT,
    settings: JSON.stringify(run.settings),
    text: run.text.sha256,
    step: String(run.step),
  });
  writeWhole('--checkpoint', path, bytes, shown);
}

/** The run as it was saved. @throws UsageError  if the file is damaged or no checkpoint, or its text has changed */
export function load(path: string, shown: string): Run {
  const bytes = readBytes('--resume needs a checkpoint', path, shown);
  try {
    const tensors = readSafetensors(bytes);
    const { format, settings, text: sha256, step } = tensors.metadata;
    if (format !== FORMAT) throw new UsageError(`its format must be "${FORMAT}", got ${quote(String(format))}`);
    const own = JSON.parse(settings) as RunSettings;
    const text = readText(own.file, own.context);
    if (text.sha256 !== sha256) throw new UsageError('the text must be the one the run began with');
    const run = newRun(own, text);
    run.model.loadStateDict(part('model', tensors));
    run.optimiser.loadStateDict(part('optimiser', tensors));
    run.step = Number(step);
    if (!/^\d+$/.test(step) || run.step > own.steps) {
      throw new UsageError(`its step must be an integer from 0 to ${own.steps}, got ${quote(step)}`);
    }
    for (const point of pointsOf(part('history', tensors))) run.history.push(point);
    return run;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new UsageError(`--resume needs a checkpoint of this program: ${quote(shown)}: ${error.message}`);
  }
}

/** What a new run would replace at its first save, undefined if nothing. @throws UsageError  if that is no checkpoint */
export function replacedBy(path: string, shown: string): string | undefined {
  if (!existsSync(path)) return undefined;
  const bytes = readBytes('--checkpoint', path, shown);
  try {
    const { format, step, settings } = readSafetensors(bytes).metadata;
    if (format === FORMAT) return `a run at step ${Number(step)} of ${Number(JSON.parse(settings).steps)}`;
  } catch {
    // Something else.
  }
  throw new UsageError(`--checkpoint must be new or a checkpoint of this program: ${quote(shown)} is another file`);
}

/** NaN stands where the text held back was not looked at. */
function historyState(history: readonly Point[]): Map<string, StoredTensor> {
  const shape = [history.length];
  const heldBack = Float64Array.from(history, (point) => point.heldBack ?? Number.NaN);
  return new Map<string, StoredTensor>([
    ['step', { dtype: 'I32', shape, data: Int32Array.from(history, ({ step }) => step) }],
    ['loss', { dtype: 'F64', shape, data: Float64Array.from(history, ({ loss }) => loss) }],
    ['heldBack', { dtype: 'F64', shape, data: heldBack }],
  ]);
}

function pointsOf(state: State): Point[] {
  const [steps, losses, heldBacks] = ['step', 'loss', 'heldBack'].map((name) => state.get(name)?.data);
  const typed = steps instanceof Int32Array && losses instanceof Float64Array && heldBacks instanceof Float64Array;
  if (!typed || losses.length !== steps.length || heldBacks.length !== steps.length) {
    throw new UsageError('it must hold the loss curve as history.step, history.loss and history.heldBack');
  }
  return Array.from(steps, (step, i) => {
    const point = { step, loss: losses[i] };
    return Number.isNaN(heldBacks[i]) ? point : { ...point, heldBack: heldBacks[i] };
  });
}
