export { customGradient } from './autograd/custom-gradient.js';
export { Gradients, type SparseGradient } from './autograd/gradients.js';
export { noGrad, type ValueAndGradOptions, valueAndGrad } from './autograd/value-and-grad.js';
export { isQkvError, ShapeError } from './core/errors.js';
export { cuSeqlensFromLengths } from './core/sequences.js';
export type { StoredDtype, StoredTensor } from './core/stored-tensor.js';
export { type BertVizData, type BertVizOptions, toBertViz } from './inspect/bert-viz.js';
export { type HeatmapAnsiOptions, heatmapAnsi } from './inspect/heatmap-ansi.js';
export { type HeatmapSvgOptions, heatmapSvg } from './inspect/heatmap-svg.js';
export { readSafetensors, type Safetensors, writeSafetensors } from './io/safetensors.js';
export { capabilities, type KernelChoice, setKernels, setSeed } from './kernels/state.js';
export type { MatmulOptions } from './matrix/checks.js';
export type { AllCloseOptions } from './matrix/closeness.js';
export { Matrix } from './matrix/matrix.js';
export { Parameter } from './matrix/parameter.js';
export type { RandomNormalOptions, RandomUniformOptions } from './matrix/random.js';
export type {
  AttentionHook,
  AttentionHookName,
  AttentionHookOptions,
  AttentionHookPoint,
} from './nn/attention/attention-hooks.js';
export type { CacheOptions, StepOptions } from './nn/attention/cached-steps.js';
export { MultiHeadAttention } from './nn/attention/multi-head-attention.js';
export type {
  MultiHeadAttentionForwardOptions,
  MultiHeadAttentionOptions,
  MultiHeadAttentionWeightsOptions,
} from './nn/attention/multi-head-options.js';
export { type AttentionTrace, SelfAttention, type SelfAttentionOptions } from './nn/attention/self-attention.js';
export type { Biases } from './nn/biases.js';
export type { Init } from './nn/initialization.js';
export { Embedding, type EmbeddingOptions } from './nn/layers/embedding.js';
export { type Activation, FeedForward, type FeedForwardOptions } from './nn/layers/feed-forward.js';
export { LearnedPositions, type LearnedPositionsOptions } from './nn/layers/learned-positions.js';
export { Linear, type LinearOptions } from './nn/layers/linear.js';
export { LayerNorm, type LayerNormOptions, type NormModuleOptions, RMSNorm } from './nn/layers/norms.js';
export { CausalLM } from './nn/models/causal-lm.js';
export type { CausalLMForwardOptions, CausalLMOptions, CausalLMStepOptions } from './nn/models/causal-lm-options.js';
export type { GenerateOptions } from './nn/models/generation.js';
export { type Sampler, type SamplingOptions, sampler } from './nn/models/sampling.js';
export {
  TransformerBlock,
  type TransformerBlockForwardOptions,
  type TransformerBlockOptions,
} from './nn/models/transformer-block.js';
export { Module } from './nn/module.js';
export type { MultiHeadAttentionFromTorchOptions } from './nn/weights/attention.js';
export type { TransformerBlockFromTorchOptions } from './nn/weights/block.js';
export type { CausalLMFromTorchOptions, CausalLMToTorchOptions } from './nn/weights/causal-lm.js';
export type { CausalLMLayout, TorchLayout, ToTorchOptions } from './nn/weights/layouts/layouts.js';
export { maskFromTorchMHA } from './nn/weights/mask.js';
export { type PermuteRotaryOptions, permuteRotary, type RotaryLayout } from './nn/weights/permute-rotary.js';
export { type GeluOptions, gelu, logSoftmax, relu, silu, softmax } from './ops/activations.js';
export {
  type AttentionStage,
  type AttentionWeightsOptions,
  attentionLogSumExp,
  attentionWeights,
  scaledDotProductAttention,
} from './ops/attention/attention.js';
export type { AttentionOptions, Mask } from './ops/attention/options.js';
export { KVCache, type KVCacheAttendOptions } from './ops/cache/kv-cache.js';
export type { KVCacheOptions } from './ops/cache/options.js';
export { type DropoutOptions, dropout } from './ops/dropout.js';
export { type CrossEntropyOptions, crossEntropy, meanSquaredError } from './ops/losses.js';
export { layerNorm, type NormOptions, rmsNorm } from './ops/normalization.js';
export type { RowUpdates } from './ops/optimizer-updates.js';
export { pack, unpack } from './ops/packing.js';
export { type SinusoidalOptions, sinusoidalPositions } from './ops/positions.js';
export { type RopeOptions, type RotaryOptions, rotary } from './ops/rotary.js';
export { Adam, type AdamOptions, AdamW } from './train/adam.js';
export { type ClipGradNormOptions, clipGradNorm } from './train/clip.js';
export {
  type GradCheckEntry,
  type GradCheckInput,
  type GradCheckOptions,
  type GradCheckReport,
  gradCheck,
} from './train/gradient-check.js';
export { Muon, type MuonOptions } from './train/muon.js';
export { Optimizer, type OptimizerGroup } from './train/optimizer.js';
export type { ParameterGroup } from './train/parameter-groups.js';
export { type CosineScheduleOptions, cosineSchedule } from './train/schedule.js';
export { SGD, type SGDOptions } from './train/sgd.js';
