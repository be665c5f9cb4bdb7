import { readSafetensors, type StoredTensor, writeSafetensors } from 'qkv';
import { quote, UsageError } from '../shared/command-line.js';
import { readBytes, writeWhole } from '../shared/files.js';
import type { RunSettings } from './arguments.js';
import { newRun, type Point, type Run } from './run.js';
import { readText } from './text.js';

// A checkpoint is a safetensors file: the parameters as `model.…`, the optimiser as `optimiser.…`, the rest as texts.

const FORMAT = 'qkv train 1';

const prefixed = (prefix: string, state: ReadonlyMap<string, StoredTensor>) =>
  [...state].map(([name, tensor]) => [`${prefix}.${name}`, tensor] as const);

function part(prefix: string, state: ReadonlyMap<string, StoredTensor>): Map<string, StoredTensor> {
  const own = [...state].filter(([name]) => name.startsWith(`${prefix}.`));
  return new Map(own.map(([name, tensor]) => [name.slice(prefix.length + 1), tensor]));
}

/** @param shown  the path as the user wrote it @throws UsageError */
export function save(run: Run, path: string, shown: string): void {
  const tensors = new Map([
    ...prefixed('model', run.model.stateDict()),
    ...prefixed('optimiser', run.optimiser.stateDict()),
  ]);
  const bytes = writeSafetensors(tensors, {
    format: FORMAT,
    settings: JSON.stringify(run.settings),
    text: run.text.sha256,
    step: String(run.step),
    history: JSON.stringify(run.history),
  });
  writeWhole('--checkpoint', path, bytes, shown);
}

/** The run as it was saved. @throws UsageError  if the file is damaged or no checkpoint, or its text has changed */
export function load(path: string, shown: string): Run {
  const bytes = readBytes('--resume needs a checkpoint', path, shown);
  try {
    const tensors = readSafetensors(bytes);
    const { format, settings, text: sha256, step, history } = tensors.metadata;
    if (format !== FORMAT) throw new UsageError(`its format must be "${FORMAT}", got ${quote(String(format))}`);
    const own = JSON.parse(settings) as RunSettings;
    const text = readText(own.file, own.context);
    if (text.sha256 !== sha256) throw new UsageError('the text must be the one the run began with');
    const run = newRun(own, text);
    run.model.loadStateDict(part('model', tensors));
    run.optimiser.loadStateDict(part('optimiser', tensors));
    run.step = Number(step);
    run.history.push(...(JSON.parse(history) as Point[]));
    return run;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new UsageError(`--resume needs a checkpoint of this program: ${quote(shown)}: ${error.message}`);
  }
}
