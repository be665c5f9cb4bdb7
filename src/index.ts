export { isQkvError, ShapeError } from './core/errors.js';
export { cuSeqlensFromLengths } from './core/sequences.js';
export type { StoredDtype, StoredTensor } from './core/stored-tensor.js';
export { customGradient, noGrad, type ValueAndGradOptions, valueAndGrad } from './gradient.js';
export { Gradients, type SparseGradient } from './gradients.js';
export { type BertVizData, type BertVizOptions, toBertViz } from './inspect/bert-viz.js';
export { type HeatmapAnsiOptions, heatmapAnsi } from './inspect/heatmap-ansi.js';
export { type HeatmapSvgOptions, heatmapSvg } from './inspect/heatmap-svg.js';
export { readSafetensors, type Safetensors, writeSafetensors } from './io/safetensors.js';
export { capabilities, type KernelChoice, setKernels, setSeed } from './kernels/state.js';
export { Matrix } from './matrix.js';
export type { MatmulOptions } from './matrix-checks.js';
export type { RandomNormalOptions, RandomUniformOptions } from './matrix-random.js';
export type {
  AttentionHook,
  AttentionHookName,
  AttentionHookOptions,
  AttentionHookPoint,
} from './nn/attention-hooks.js';
export type { Biases } from './nn/biases.js';
export type { CacheOptions, StepOptions } from './nn/cached-steps.js';
export { CausalLM, type CausalLMForwardOptions } from './nn/causal-lm.js';
export type { CausalLMOptions } from './nn/causal-lm-options.js';
export { Embedding, type EmbeddingOptions } from './nn/embedding.js';
export { type Activation, FeedForward, type FeedForwardOptions } from './nn/feed-forward.js';
export type { GenerateOptions } from './nn/generation.js';
export type { Init } from './nn/initialization.js';
export { LearnedPositions, type LearnedPositionsOptions } from './nn/learned-positions.js';
export { Linear, type LinearOptions } from './nn/linear.js';
export { Module } from './nn/module.js';
export { MultiHeadAttention } from './nn/multi-head-attention.js';
export type {
  MultiHeadAttentionForwardOptions,
  MultiHeadAttentionOptions,
  MultiHeadAttentionWeightsOptions,
} from './nn/multi-head-options.js';
export { LayerNorm, type LayerNormOptions, type NormModuleOptions, RMSNorm } from './nn/norms.js';
export { type PermuteRotaryOptions, permuteRotary, type RotaryLayout } from './nn/permute-rotary.js';
export type { SamplingOptions } from './nn/sampling.js';
export { type AttentionTrace, SelfAttention, type SelfAttentionOptions } from './nn/self-attention.js';
export type { MultiHeadAttentionFromTorchOptions } from './nn/torch-attention.js';
export type { TransformerBlockFromTorchOptions } from './nn/torch-block.js';
export type { CausalLMFromTorchOptions, CausalLMLayout, CausalLMToTorchOptions } from './nn/torch-causal-lm.js';
export { maskFromTorchMHA } from './nn/torch-mask.js';
export type { TorchLayout, ToTorchOptions } from './nn/torch-tensors.js';
export {
  TransformerBlock,
  type TransformerBlockForwardOptions,
  type TransformerBlockOptions,
} from './nn/transformer-block.js';
export { type GeluOptions, gelu, logSoftmax, relu, silu } from './ops/activations.js';
export {
  type AttentionStage,
  type AttentionWeightsOptions,
  attentionLogSumExp,
  attentionWeights,
  scaledDotProductAttention,
} from './ops/attention.js';
export type { AttentionOptions, Mask } from './ops/attention-options.js';
export { KVCache, type KVCacheAttendOptions } from './ops/cache.js';
export type { KVCacheOptions } from './ops/cache-options.js';
export { type DropoutOptions, dropout } from './ops/dropout.js';
export { type CrossEntropyOptions, crossEntropy, meanSquaredError } from './ops/losses.js';
export { layerNorm, type NormOptions, rmsNorm } from './ops/normalization.js';
export type { RowUpdates } from './ops/optimiser-updates.js';
export { pack, unpack } from './ops/packing.js';
export { type SinusoidalOptions, sinusoidalPositions } from './ops/positions.js';
export { type RopeOptions, type RotaryOptions, rotary } from './ops/rotary.js';
export { Parameter } from './parameter.js';
export { Adam, type AdamOptions, AdamW } from './train/adam.js';
export { type ClipGradNormOptions, clipGradNorm } from './train/clip.js';
export {
  type GradCheckEntry,
  type GradCheckInput,
  type GradCheckOptions,
  type GradCheckReport,
  gradCheck,
} from './train/gradient-check.js';
export { type CosineScheduleOptions, cosineSchedule } from './train/schedule.js';
export { SGD, type SGDOptions } from './train/sgd.js';
