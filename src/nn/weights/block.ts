import { requireChoice, requireInteger } from '../../core/errors.js';
import { requireOptions } from '../../core/options.js';
import type { StoredTensor } from '../../core/stored-tensor.js';
import type { Matrix } from '../../matrix/matrix.js';
import { ACTIVATIONS } from '../../ops/activations.js';
import { LAYER_OPTIONS } from '../../ops/attention/options.js';
import { BLOCK_BIASES, biasesFrom, FEED_FORWARD_BIASES } from '../biases.js';
import type { Activation } from '../layers/feed-forward.js';
import { RMSNorm } from '../layers/norms.js';
import {
  attentionMisfits,
  attentionTensors,
  headsFromTorch,
  type MultiHeadAttentionFromTorchOptions,
  ropeFromTorch,
  rotatedToTorch,
  type StoredAttention,
} from './attention.js';
import { readTensors, writeTensors } from './copy.js';
import { type Misfit, requireFit, unless } from './fit.js';
import { ATTENTIONS, BLOCKS, type TorchLayout, type ToTorchOptions } from './layouts/layouts.js';
import { recognized, type Signs, signsOf, writtenAs } from './names.js';
import type { BlockLayout, TorchTensor } from './tensors.js';

/** Everything else follows from the weights. Options not described here are as in MultiHeadAttentionFromTorchOptions. */
export interface TransformerBlockFromTorchOptions extends Omit<MultiHeadAttentionFromTorchOptions, 'addZeroAttention'> {
  /** Default 'relu' in layout 'torch', 'gelu-tanh' in 'gpt2'; 'llama' and 'meta' are always 'swiglu'. */
  activation?: Activation;
  /** torch's norm_first is 'pre'. Default 'post' in layout 'torch'; the others are always 'pre'. */
  normPlacement?: 'pre' | 'post';
  /** Of the norms; rms_norm_eps in LLaMA's configuration files. Default 1e-5. */
  epsilon?: number;
}

const OPTIONS = /* @__PURE__ */ (() =>
  [
    'numHeads',
    'prefix',
    ...LAYER_OPTIONS,
    'rope',
    'activation',
    'normPlacement',
    'epsilon',
    'dropout',
    'seed',
  ] as const satisfies readonly (keyof TransformerBlockFromTorchOptions)[])();

const SIGNS: Signs<TorchLayout> = /* @__PURE__ */ signsOf(BLOCKS);

/** The activations that a layout can have, the default first. */
function activationsOf({ activations, hasAllActivations }: BlockLayout): readonly Activation[] {
  return hasAllActivations
    ? [...new Set([...activations, ...(Object.keys(ACTIVATIONS) as Activation[])])]
    : activations;
}

/** The tensors of one block. */
export function blockTensors(layout: TorchLayout): TorchTensor[] {
  return BLOCKS[layout].tensors(attentionTensors(layout));
}

/** The arguments for `new TransformerBlock` and its `loadStateDict`. */
export function blockFromTorch(
  where: string,
  stored: ReadonlyMap<string, StoredTensor>,
  options: TransformerBlockFromTorchOptions,
) {
  requireOptions(where, options, OPTIONS, { isRequired: true });
  const { prefix, causal, rope, numHeads, activation, normPlacement, ...rest } = options;
  requireInteger(where, 'numHeads', numHeads, 1);
  const { named, layout, tensors } = recognized(where, stored, prefix, SIGNS, blockTensors);
  const style = styleOf(where, layout, { activation, normPlacement });
  const { state, sizes } = readTensors(where, tensors, named);
  const heads = headsFromTorch(where, layout, sizes, numHeads);
  return {
    options: {
      ...rest,
      ...style,
      ...heads,
      dHidden: sizes.get('dHidden') as number,
      ...blockBiases(state),
      causal: causal === undefined ? (ATTENTIONS[layout].isCausal ?? false) : causal,
      rope: ropeFromTorch(where, layout, rope, heads, state),
    },
    state,
  };
}

/** norm, activation and normPlacement in a layout; where it leaves a choice, `options` choose. */
export function styleOf(
  where: string,
  layout: TorchLayout,
  options: { activation?: Activation; normPlacement?: 'pre' | 'post' },
) {
  const { norm, placements } = BLOCKS[layout];
  const activations = activationsOf(BLOCKS[layout]);
  const { activation = activations[0], normPlacement = placements[0] } = options;
  requireChoice(where, `activation in layout '${layout}'`, activation, activations);
  requireChoice(where, `normPlacement in layout '${layout}'`, normPlacement, placements);
  return { norm, activation, normPlacement };
}

/** The options bias and normBias, from the biases in a state. @param path  of the block in the state */
export function blockBiases(state: ReadonlyMap<string, StoredTensor>, path = '') {
  const has = (name: string) => state.has(`${path}attention.${name}`) || state.has(`${path}feedForward.${name}`);
  return { bias: biasesFrom(BLOCK_BIASES, has), normBias: state.has(`${path}norm1.bias`) };
}

/** What blockToTorch reads of a block. */
export interface StoredBlock {
  readonly attention: StoredAttention;
  readonly feedForward: { readonly activation: Activation } & {
    readonly [name in (typeof FEED_FORWARD_BIASES)[number]]?: Matrix;
  };
  readonly norm1: object;
  readonly normPlacement: 'pre' | 'post';
  namedParameters(): Map<string, Matrix>;
}

/** The tensors of a block; its default layout is 'torch'. */
export function blockToTorch(where: string, block: StoredBlock, options: ToTorchOptions): Map<string, StoredTensor> {
  const { layout, prefix } = writtenAs(where, options, SIGNS, 'torch');
  requireFit(where, SIGNS, layout, (other) => blockMisfits(other, block));
  const parameters = rotatedToTorch(layout, block.attention, block.namedParameters());
  return writeTensors(where, layout, blockTensors(layout), parameters, prefix);
}

/** The options of a block that a layout cannot store, or with which it would be read back as another function. */
export function blockMisfits(layout: TorchLayout, block: StoredBlock): Misfit[] {
  const { attention, feedForward, normPlacement } = block;
  const { norm, placements } = BLOCKS[layout];
  const activations = activationsOf(BLOCKS[layout]);
  const { activation } = feedForward;
  const blockNorm = block.norm1 instanceof RMSNorm ? 'rms' : 'layer';
  const biases = FEED_FORWARD_BIASES.filter((name) => feedForward[name] !== undefined);
  const quoted = (choices: readonly string[]) => choices.map((choice) => `'${choice}'`).join(' or ');
  return [
    ...unless(activations.includes(activation), 'activation', quoted(activations), quoted([activation])),
    ...unless(blockNorm === norm, 'norm', quoted([norm]), quoted([blockNorm])),
    ...unless(placements.includes(normPlacement), 'normPlacement', quoted(placements), quoted([normPlacement])),
    ...attentionMisfits(layout, attention, biases),
  ];
}
