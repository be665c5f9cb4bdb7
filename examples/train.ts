// `npm run train`: a causal Transformer learns the bytes of a text, with the published package.
import { basename } from 'node:path';
import { capabilities } from 'qkv';
import { printable, quote, UsageError } from './shared/command-line.js';
import { fromCaller, isSameFile, requirePlace } from './shared/files.js';
import { writeWhole } from './shared/write.js';
import { HELP, parseArguments, type Settings } from './train/arguments.js';
import { load, replacedBy, requireSavable, save } from './train/checkpoint.js';
import { curveSvg } from './train/curve.js';
import { Progress } from './train/progress.js';
import { generate, heldBackLoss, newRun, type Point, type Run, TAKES_LESS, trainStep } from './train/run.js';
import { Stop } from './train/stop.js';
import { readText } from './train/text.js';

/** Sequences of the held-back text that are evaluated during training; at the end all of them are. */
const HELD_BACK_SEQUENCES = 16;
/** How often the held-back text is evaluated during training. */
const EVALUATIONS = 10;

const nameOf = ({ settings: { file } }: Run) => (file === undefined ? 'Genesis' : quote(basename(file)).slice(1, -1));

/** The run to start or resume, and what it will replace. @throws UsageError  before any work if a file cannot be written */
function beginning({ run: settings, checkpoint, resume, svg }: Settings): { run: Run; replaced?: string } {
  const path = fromCaller(checkpoint);
  if (!resume) requireSavable(settings);
  const replaced = resume ? undefined : replacedBy(path, checkpoint);
  const own = settings.file === undefined ? settings : { ...settings, file: fromCaller(settings.file) };
  const run = resume ? load(path, checkpoint) : newRun(own, readText(own.file, own.context));
  requirePlace('--checkpoint', path, checkpoint);
  if (svg !== undefined) {
    const drawn = fromCaller(svg);
    requirePlace('--svg', drawn, svg);
    const { file } = run.settings;
    const taken = isSameFile(drawn, path) || (file !== undefined && isSameFile(drawn, file));
    if (taken) throw new UsageError(`--svg must not be the text or the checkpoint: got ${quote(svg)}`);
  }
  return { run, replaced };
}

function describe(run: Run, replaced: string | undefined, checkpoint: string): string {
  const { settings, text, model, step } = run;
  const numbers = model.parameters().reduce((sum, { data }) => sum + data.length, 0);
  const { dModel, layers, heads, batch, context } = settings;
  return [
    `${nameOf(run)}: ${text.training.length} bytes to learn from, ${text.heldBack.length} held back`,
    `${layers} layers, dModel ${dModel}, ${heads} heads: ${numbers} parameters; ${batch} × ${context} bytes a step`,
    `kernels: ${capabilities().kernels}${step === 0 ? '' : `; going on at step ${step}`}`,
    ...(replaced === undefined ? [] : [`${quote(checkpoint)} held ${replaced}: the first save replaces it`]),
    '',
  ].join('\n');
}

/** Trains to the end or until it is stopped, and saves. */
async function train(run: Run, settings: Settings, stop: Stop): Promise<void> {
  const { steps, batch, context } = run.settings;
  const every = Math.max(1, Math.round(steps / EVALUATIONS));
  const progress = new Progress(process.stdout, steps, batch * context, run.step);
  const path = fromCaller(settings.checkpoint);
  try {
    while (run.step < steps && !stop.asked) {
      const loss = trainStep(run);
      const evaluates = run.step % every === 0 && run.step < steps;
      const heldBack = evaluates ? heldBackLoss(run, HELD_BACK_SEQUENCES) : undefined;
      run.history.push(heldBack === undefined ? { step: run.step, loss } : { step: run.step, loss, heldBack });
      progress.show(run.step, loss, heldBack === undefined ? '' : `held back ${heldBack.toFixed(3)}`);
      if (run.step % settings.checkpointEvery === 0 && run.step < steps) save(run, path, settings.checkpoint);
      await new Promise((resolve) => setImmediate(resolve)); // lets Ctrl-C in, and dropped memory out
    }
  } finally {
    progress.end(); // an error gets a line of its own
  }
  save(run, path, settings.checkpoint);
  const done = progress.summary();
  if (done !== '' && !stop.asked) process.stdout.write(`${done}\n`);
}

function writeCurve(run: Run, history: readonly Point[], svg: string | undefined): string {
  if (svg === undefined) return '';
  const drawn = curveSvg(history, run.text.unigramEntropy, `${nameOf(run)}: loss`);
  writeWhole('--svg', fromCaller(svg), drawn, svg);
  return `Loss curve written to ${quote(svg)}\n`;
}

/** A path as one word of a shell. */
const word = (path: string) => (/^[\w./-]+$/.test(path) ? path : `"${path.replace(/["$`\\]/g, '\\$&')}"`);

async function main(): Promise<void> {
  const settings = parseArguments(process.argv.slice(2));
  if (settings === 'help') {
    process.stdout.write(HELP);
    return;
  }
  const { run, replaced } = beginning(settings);
  const stop = new Stop(); // from here on: while files are read, a signal ends the program at once
  process.stdout.write(describe(run, replaced, settings.checkpoint));
  await train(run, settings, stop);
  if (run.step < run.settings.steps) {
    const where = settings.checkpoint === 'train.safetensors' ? '' : ` --checkpoint ${word(settings.checkpoint)}`;
    const curve = writeCurve(run, run.history, settings.svg);
    stop.stream.write(`${curve}Stopped at step ${run.step}, saved. Go on with: npm run train -- --resume${where}\n`);
    process.exitCode = stop.exitCode ?? process.exitCode;
    return;
  }
  stop.release();
  const heldBack = heldBackLoss(run);
  const bits = (nats: number) => `${nats.toFixed(3)} nats (${(nats / Math.LN2).toFixed(2)} bits) a byte`;
  process.stdout.write(`\nheld-back loss   ${bits(heldBack)}\nunigram entropy  ${bits(run.text.unigramEntropy)}\n`);
  process.stdout.write(
    writeCurve(run, [...run.history, { ...run.history[run.history.length - 1], heldBack }], settings.svg),
  );
  if (settings.generate > 0) {
    const bytes = generate(run, new TextEncoder().encode(settings.prompt), settings.generate, settings.temperature);
    process.stdout.write(`\n${printable(new TextDecoder().decode(bytes))}\n`);
  }
}

main().catch((error: unknown) => {
  // Settings that need too much memory are the user's mistake, too; the library reports them with a RangeError.
  if (!(error instanceof UsageError) && !(error instanceof RangeError)) throw error;
  const hint = error instanceof UsageError ? '' : ` ${TAKES_LESS}`;
  process.exitCode = 2;
  process.stderr.write(`npm run train: ${error.message}${hint}\n`);
});
