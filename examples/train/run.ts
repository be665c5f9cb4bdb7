import { AdamW, CausalLM, clipGradNorm, cosineSchedule, crossEntropy, valueAndGrad } from 'qkv';
import { UsageError } from '../shared/command-line.js';
import type { RunSettings } from './arguments.js';
import { type Batch, batchAt, drawsOf, type Text, VOCABULARY } from './text.js';

/** One point of the loss curve, in nats a byte. */
export interface Point {
  readonly step: number;
  readonly loss: number;
  /** Of the text held back, where it was measured. */
  readonly heldBack?: number;
}

/** Everything that a run is; what changes is in a checkpoint. */
export interface Run {
  readonly settings: RunSettings;
  readonly text: Text;
  readonly model: CausalLM;
  readonly optimizer: AdamW;
  /** Steps done. */
  step: number;
  readonly history: Point[];
}

export const TAKES_LESS = '(smaller --d-model, --layers, --batch or --context take less)';

/**
 * The numbers of the model that `newRun` builds: the embedding; in a layer W_Q, W_K, W_V, W_O (dModel × dModel), W_1, W_2
 * (dModel × 4 dModel) and the gains of two norms; the gain of the last.
 */
export function parametersOf({ dModel, layers }: RunSettings): number {
  return VOCABULARY * dModel + layers * (12 * dModel ** 2 + 2 * dModel) + dModel;
}

export function newRun(settings: RunSettings, text: Text): Run {
  const { dModel, layers, heads, seed, learningRate } = settings;
  const model = new CausalLM({
    vocabularySize: VOCABULARY,
    dModel,
    numLayers: layers,
    numHeads: heads,
    norm: 'rms',
    activation: 'relu',
    tieEmbeddings: true,
    seed,
  });
  return { settings, text, model, optimizer: new AdamW(model.parameters(), { learningRate }), step: 0, history: [] };
}

/** One step of training; gives its loss. @throws UsageError  if that is no number: then nothing has moved */
export function trainStep(run: Run): number {
  const { model, optimizer, settings, text } = run;
  const { batch, context, seed, steps, learningRate } = settings;
  const draw = drawsOf(seed, run.step);
  const starts = Array.from({ length: batch }, () => Math.floor(draw() * (text.training.length - context)));
  const { ids, targets, cuSeqlens } = batchAt(text.training, starts, context);
  const { value, gradients } = valueAndGrad(() => crossEntropy(model.forward(ids, { cuSeqlens }), targets));
  if (!Number.isFinite(value)) {
    const hint = 'the checkpoint stays as it was; try a lower --learning-rate';
    throw new UsageError(`the loss must stay finite: it is ${value} at step ${run.step + 1} (${hint})`);
  }
  run.step++;
  const warmupSteps = Math.min(Math.ceil(steps / 20), steps - 1);
  const schedule = cosineSchedule({ learningRate, warmupSteps, totalSteps: steps, minimum: learningRate / 20 });
  optimizer.learningRate = schedule(run.step);
  clipGradNorm(gradients, 1);
  optimizer.step(gradients);
  return value;
}

/** The loss on the text held back: on `most` sequences spread over it, or on all. */
export function heldBackLoss({ model, settings, text }: Run, most = Number.POSITIVE_INFINITY): number {
  const { batch, context } = settings;
  const all = Math.floor((text.heldBack.length - 1) / context);
  const count = Math.min(all, most);
  const starts = Array.from({ length: count }, (_, i) => Math.floor((i * all) / count) * context);
  let total = 0;
  for (let i = 0; i < count; i += batch) {
    const some = starts.slice(i, i + batch);
    const { ids, targets, cuSeqlens }: Batch = batchAt(text.heldBack, some, context);
    total += crossEntropy(model.forward(ids, { cuSeqlens }), targets).get(0, 0) * some.length;
  }
  return total / count;
}

/** Continues a text byte by byte, each drawn from softmax(logits / temperature). */
export function generate({ model, settings }: Run, prompt: Uint8Array, count: number, temperature: number): Uint8Array {
  const bytes = [...prompt];
  const draw = drawsOf(settings.seed, -2);
  for (let i = 0; i < count; i++) {
    const logits = model.forward(bytes.slice(-settings.context));
    const [weights] = logits
      .sliceRows(logits.rows - 1)
      .scale(1 / temperature)
      .softmax()
      .toArray();
    let left = draw();
    const next = weights.findIndex((weight) => {
      left -= weight;
      return left < 0;
    });
    bytes.push(next === -1 ? weights.indexOf(Math.max(...weights)) : next); // the weights may sum to a little less than 1
  }
  return Uint8Array.from(bytes);
}
