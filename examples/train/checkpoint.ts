import { existsSync } from 'node:fs';
import { readSafetensors, type Safetensors, type StoredTensor, writeSafetensors } from 'qkv';
import { quote, UsageError } from '../shared/command-line.js';
import { readBytes } from '../shared/files.js';
import { writeWhole } from '../shared/write.js';
import { checkRun, type RunSettings } from './arguments.js';
import { newRun, type Point, parametersOf, type Run, TAKES_LESS } from './run.js';
import { readText } from './text.js';

// A checkpoint is a safetensors file: the parameters as `model.…`, the optimizer as `optimiser.…`, the loss curve as
// `history.…`, the rest as texts.

const FORMAT = 'qkv train 1';
/** 1 GiB, or 89 million parameters: a save holds it three times in memory. */
const MOST_BYTES = 2 ** 30;
/** More than the header takes. */
const SLACK = 2 ** 24;

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
    ...prefixed('optimiser', run.optimizer.stateDict()),
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

/** @throws UsageError  before any work, if a checkpoint of this run would be larger than this program reads */
export function requireSavable(settings: RunSettings): void {
  const bytes = 12 * parametersOf(settings) + 20 * settings.steps; // float32 thrice; a point of the loss curve
  if (bytes <= MOST_BYTES - SLACK) return;
  throw new UsageError(`a checkpoint must be at most ${MOST_BYTES} bytes: this one would be ${bytes} ${TAKES_LESS}`);
}

/** The run as it was saved. @throws UsageError  if the file is damaged or no checkpoint, or its text has changed */
export function load(path: string, shown: string): Run {
  const bytes = readBytes('--resume needs a checkpoint', path, shown, MOST_BYTES);
  try {
    const tensors = readSafetensors(bytes);
    const { format, text: sha256, step } = tensors.metadata;
    if (format !== FORMAT) throw new UsageError(`its format must be "${FORMAT}", got ${quote(String(format))}`);
    const own = settingsOf(tensors);
    if (!/^\d+$/.test(step) || Number(step) > own.steps) {
      throw new UsageError(`its step must be an integer from 0 to ${own.steps}, got ${quote(String(step))}`);
    }
    // Before anything is built: what is built is then as large as the file.
    const model = part('model', tensors);
    const [numbers, needed] = [[...model.values()].reduce((sum, { data }) => sum + data.length, 0), parametersOf(own)];
    if (numbers !== needed) {
      throw new UsageError(`its model must have the ${needed} numbers of its settings, got ${numbers}`);
    }
    const points = pointsOf(part('history', tensors));
    const text = readText(own.file, own.context);
    if (text.sha256 !== sha256) throw new UsageError('the text must be the one the run began with');
    const run = newRun(own, text);
    run.model.loadStateDict(model);
    run.optimizer.loadStateDict(part('optimiser', tensors));
    run.step = Number(step);
    for (const point of points) run.history.push(point);
    return run;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new UsageError(`--resume needs a checkpoint of this program: ${quote(shown)}: ${error.message}`);
  }
}

/** By the checks of the command line: a file may say anything. @throws UsageError */
function settingsOf({ metadata }: Safetensors): RunSettings {
  // A path has 4096 bytes at most, six times as many where all are escaped.
  if ((metadata.settings ?? '').length > 1e5) throw new UsageError('its settings must be those of a run, got more');
  const own = JSON.parse(metadata.settings ?? 'null') as Record<string, unknown> | null;
  const of = (key: string) => {
    const value = own?.[key];
    if (typeof value === 'number') return String(value);
    throw new UsageError(`its ${key} must be a number, got ${quote(String(JSON.stringify(value)))}`);
  };
  const file = own?.file;
  if (file !== undefined && (typeof file !== 'string' || file === '')) {
    throw new UsageError(`its file must be a path, got ${quote(String(JSON.stringify(file)))}`);
  }
  return checkRun('its ', file, (name) => of(name.replace(/-(.)/, (_, letter: string) => letter.toUpperCase())));
}

/** What a new run would replace at its first save, undefined if nothing. @throws UsageError  if that is no checkpoint */
export function replacedBy(path: string, shown: string): string | undefined {
  if (!existsSync(path)) return undefined;
  const what = '--checkpoint must be new or a checkpoint of this program';
  const bytes = readBytes(what, path, shown, MOST_BYTES);
  try {
    const tensors = readSafetensors(bytes);
    const { format, step } = tensors.metadata;
    if (format === FORMAT) return `a run at step ${Number(step)} of ${settingsOf(tensors).steps}`;
  } catch {
    // Something else.
  }
  throw new UsageError(`${what}: ${quote(shown)} is another file`);
}

/** NaN stands for steps at which the held-back text was not evaluated. */
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
