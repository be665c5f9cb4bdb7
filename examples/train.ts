// `npm run train`: a causal Transformer learns the bytes of a text, with the published package.
import { capabilities } from 'qkv';
import { quote, UsageError } from './shared/command-line.js';
import { fromCaller, writeWhole } from './shared/files.js';
import { HELP, parseArguments, type Settings } from './train/arguments.js';
import { load, save } from './train/checkpoint.js';
import { curveSvg } from './train/curve.js';
import { Progress } from './train/progress.js';
import { generate, heldBackLoss, newRun, type Run, trainStep } from './train/run.js';
import { readText } from './train/text.js';

/** Sequences of the text held back that are looked at on the way; at the end all are. */
const SOME = 16;
/** Looks at the text held back on the way. */
const LOOKS = 8;

function beginning({ run: settings, checkpoint, resume }: Settings): Run {
  if (resume) return load(fromCaller(checkpoint), checkpoint);
  const own = settings.file === undefined ? settings : { ...settings, file: fromCaller(settings.file) };
  return newRun(own, readText(own.file, own.context));
}

function describe({ settings, text, model, step }: Run): string {
  const numbers = model.parameters().reduce((sum, { data }) => sum + data.length, 0);
  const { dModel, layers, heads, batch, context } = settings;
  return [
    `${settings.file ?? 'Genesis'}: ${text.training.length} bytes to learn from, ${text.heldBack.length} held back`,
    `${layers} layers, dModel ${dModel}, ${heads} heads: ${numbers} parameters; ${batch} × ${context} bytes a step`,
    `kernels: ${capabilities().kernels}${step === 0 ? '' : `; going on at step ${step}`}`,
    '',
  ].join('\n');
}

/** Trains to the end, or until `stopped`; whether the end was reached. */
async function train(run: Run, settings: Settings, stopped: () => boolean): Promise<boolean> {
  const { steps, batch, context } = run.settings;
  const every = Math.max(1, Math.round(steps / LOOKS));
  const progress = new Progress(process.stdout, steps, batch * context, run.step);
  const path = fromCaller(settings.checkpoint);
  while (run.step < steps && !stopped()) {
    const loss = trainStep(run);
    const looks = run.step % every === 0 && run.step < steps;
    const heldBack = looks ? heldBackLoss(run, SOME) : undefined;
    run.history.push({ step: run.step, loss, heldBack });
    progress.show(run.step, loss, heldBack === undefined ? '' : `held back ${heldBack.toFixed(3)}`);
    if (run.step % settings.checkpointEvery === 0 && run.step < steps) save(run, path, settings.checkpoint);
    await new Promise((resolve) => setImmediate(resolve)); // lets Ctrl-C in
  }
  progress.end();
  save(run, path, settings.checkpoint);
  return run.step === steps;
}

function writeCurve(run: Run, svg: string | undefined): void {
  if (svg === undefined) return;
  const title = `${run.settings.file ?? 'Genesis'}: loss`;
  writeWhole('--svg', fromCaller(svg), curveSvg(run.history, run.text.unigramEntropy, title), svg);
  process.stdout.write(`Loss curve written to ${svg}\n`);
}

/** Bytes as text of a terminal. */
const shownText = (bytes: Uint8Array) => new TextDecoder().decode(bytes).replace(/[^\P{Cc}\n]/gu, '�');

async function main(): Promise<void> {
  const settings = parseArguments(process.argv.slice(2));
  if (settings === 'help') {
    process.stdout.write(HELP);
    return;
  }
  const run = beginning(settings);
  let stop = false;
  process.once('SIGINT', () => {
    stop = true; // a second one ends the program at once
  });
  process.stdout.write(describe(run));
  const finished = await train(run, settings, () => stop);
  if (!finished) {
    const where = settings.checkpoint === 'train.safetensors' ? '' : ` --checkpoint ${quote(settings.checkpoint)}`;
    process.stdout.write(`Stopped at step ${run.step}, saved. Go on with: npm run train -- --resume${where}\n`);
    writeCurve(run, settings.svg);
    process.exitCode = 130;
    return;
  }
  const heldBack = heldBackLoss(run);
  const bits = (nats: number) => `${nats.toFixed(3)} nats (${(nats / Math.LN2).toFixed(2)} bits) a byte`;
  process.stdout.write(`\nheld-back loss   ${bits(heldBack)}\nunigram entropy  ${bits(run.text.unigramEntropy)}\n`);
  writeCurve(run, settings.svg);
  if (settings.generate > 0) {
    const bytes = generate(run, new TextEncoder().encode(settings.prompt), settings.generate, settings.temperature);
    process.stdout.write(`\n${shownText(bytes)}\n`);
  }
}

main().catch((error: unknown) => {
  if (!(error instanceof UsageError)) throw error;
  process.exitCode = 2;
  process.stderr.write(`npm run train: ${error.message}\n`);
});
