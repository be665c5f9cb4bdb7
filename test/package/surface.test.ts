import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { beforeAll, describe, expect, it } from 'vitest';
import { requireBuilt } from '../support/built.js';
import { projectRoot } from '../support/source-modules.js';

// The public surface. Growing it is a decision: write the new name here, in order.
const SURFACE = [
  'class Adam',
  'class AdamW',
  'class CausalLM',
  'class Embedding',
  'class FeedForward',
  'class Gradients',
  'class KVCache',
  'class LayerNorm',
  'type LayerNormOptions',
  'class LearnedPositions',
  'class Linear',
  'class Matrix',
  'class Module',
  'class MultiHeadAttention',
  'class Parameter',
  'class RMSNorm',
  'class SGD',
  'class SelfAttention',
  'class ShapeError',
  'class TransformerBlock',
  'function attentionLogSumExp',
  'function attentionWeights',
  'function capabilities',
  'function clipGradNorm',
  'function cosineSchedule',
  'function crossEntropy',
  'function cuSeqlensFromLengths',
  'function customGradient',
  'function dropout',
  'function gelu',
  'function gradCheck',
  'function heatmapAnsi',
  'function heatmapSvg',
  'function isQkvError',
  'function layerNorm',
  'function logSoftmax',
  'function maskFromTorchMHA',
  'function meanSquaredError',
  'function noGrad',
  'function pack',
  'function permuteRotary',
  'function readSafetensors',
  'function relu',
  'function rmsNorm',
  'function rotary',
  'function scaledDotProductAttention',
  'function setKernels',
  'function setSeed',
  'function silu',
  'function sinusoidalPositions',
  'function toBertViz',
  'function unpack',
  'function valueAndGrad',
  'function writeSafetensors',
  'type Activation',
  'type AdamOptions',
  'type AttentionHook',
  'type AttentionHookName',
  'type AttentionHookOptions',
  'type AttentionHookPoint',
  'type AttentionOptions',
  'type AttentionStage',
  'type AttentionTrace',
  'type AttentionWeightsOptions',
  'type BertVizData',
  'type BertVizOptions',
  'type Biases',
  'type CacheOptions',
  'type CausalLMForwardOptions',
  'type CausalLMFromTorchOptions',
  'type CausalLMLayout',
  'type CausalLMOptions',
  'type CausalLMToTorchOptions',
  'type ClipGradNormOptions',
  'type CosineScheduleOptions',
  'type CrossEntropyOptions',
  'type DropoutOptions',
  'type EmbeddingOptions',
  'type FeedForwardOptions',
  'type GeluOptions',
  'type GenerateOptions',
  'type GradCheckEntry',
  'type GradCheckInput',
  'type GradCheckOptions',
  'type GradCheckReport',
  'type HeatmapAnsiOptions',
  'type HeatmapSvgOptions',
  'type Init',
  'type KVCacheAttendOptions',
  'type KVCacheOptions',
  'type KernelChoice',
  'type LearnedPositionsOptions',
  'type LinearOptions',
  'type Mask',
  'type MatmulOptions',
  'type MultiHeadAttentionForwardOptions',
  'type MultiHeadAttentionFromTorchOptions',
  'type MultiHeadAttentionOptions',
  'type MultiHeadAttentionWeightsOptions',
  'type NormModuleOptions',
  'type NormOptions',
  'type PermuteRotaryOptions',
  'type RandomNormalOptions',
  'type RandomUniformOptions',
  'type RopeOptions',
  'type RotaryLayout',
  'type RotaryOptions',
  'type RowUpdates',
  'type SGDOptions',
  'type Safetensors',
  'type SamplingOptions',
  'type SelfAttentionOptions',
  'type SinusoidalOptions',
  'type SparseGradient',
  'type StepOptions',
  'type StoredDtype',
  'type StoredTensor',
  'type ToTorchOptions',
  'type TorchLayout',
  'type TransformerBlockForwardOptions',
  'type TransformerBlockFromTorchOptions',
  'type TransformerBlockOptions',
  'type ValueAndGradOptions',
];

const VALUES = SURFACE.filter((entry) => !entry.startsWith('type '));

/** `kind name` of every export of a declaration file, sorted by name. */
function declaredSurface(file: string): string[] {
  const program = ts.createProgram([file], { skipLibCheck: true, types: [], target: ts.ScriptTarget.ES2022 });
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(file);
  const module = source && checker.getSymbolAtLocation(source);
  if (!module) throw new Error(`${file} is no module`);
  return checker.getExportsOfModule(module).map((symbol) => `${kindOf(checker, symbol)} ${symbol.name}`);
}

function kindOf(checker: ts.TypeChecker, symbol: ts.Symbol): string {
  const { flags } = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  if (flags & ts.SymbolFlags.Class) return 'class';
  if (flags & ts.SymbolFlags.Function) return 'function';
  if (flags & ts.SymbolFlags.Value) return 'value';
  return 'type';
}

/** `kind name` of every export that exists at run time. */
function runtimeSurface(module: Record<string, unknown>): string[] {
  return Object.entries(module).map(([name, value]) => {
    if (typeof value !== 'function') return `value ${name}`;
    return `${/^class\b/.test(Function.prototype.toString.call(value)) ? 'class' : 'function'} ${name}`;
  });
}

const byName = (entries: readonly string[]) => [...entries].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
const nameOf = (entry: string) => entry.slice(entry.indexOf(' ') + 1);

describe('the public surface', () => {
  beforeAll(requireBuilt);

  it.each(['dist/index.d.ts', 'dist/index.d.cts'])('of %s', (file) => {
    expect(byName(declaredSurface(join(projectRoot, file)))).toEqual(byName(SURFACE));
  });

  it.each(['dist/index.js', 'dist/index.min.js'])('of the ES module %s', async (file) => {
    const module = await import(/* @vite-ignore */ pathToFileURL(join(projectRoot, file)).href);
    expect(byName(runtimeSurface(module))).toEqual(byName(VALUES));
  });

  it('of the CommonJS module', () => {
    const module = createRequire(import.meta.url)(join(projectRoot, 'dist/index.cjs'));
    expect(byName(runtimeSurface(module))).toEqual(byName(VALUES));
  });
});
