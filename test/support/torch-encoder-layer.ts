import { type Activation, TransformerBlock } from 'qkv';
import type { TorchCase } from './conformance.js';
import { need, swapAxes, type Table, type Tensor } from './tensor.js';
import { storedTensors } from './torch-mha.js';
import { attentionFromTorch, row, transposed } from './torch-training.js';

/** The description of a case of kind encoder-layer. */
interface EncoderLayerConfig {
  d_model: number;
  nhead: number;
  dim_feedforward: number;
  activation: string;
  norm_first: boolean;
  batch_first: boolean;
  layer_norm_eps: number;
  mask: unknown;
}

function encoderLayerConfig({ config }: TorchCase): EncoderLayerConfig {
  return config as unknown as EncoderLayerConfig;
}

/** The block of a case with PyTorch's weights. A case that says or brings more than is read here is an error. */
export function blockFromTorch(testCase: TorchCase): TransformerBlock {
  const config = encoderLayerConfig(testCase);
  const inputs = [...testCase.tensors.keys()].filter((name) => name.startsWith('in.'));
  const isCausal = config.mask === 'causal';
  if (inputs.join() !== 'in.src' || !(config.mask === null || isCausal)) {
    throw new Error(`no test for the mask ${JSON.stringify(config.mask)}, inputs ${inputs}`);
  }
  return TransformerBlock.fromTorch(storedTensors(testCase), {
    numHeads: config.nhead,
    activation: config.activation as Activation,
    normPlacement: config.norm_first ? 'pre' : 'post',
    epsilon: config.layer_norm_eps,
    causal: isCausal,
    prefix: 'param.',
  });
}

/** The gradients `prefix.…` of a case in the library's layout and under its names. */
export function blockTables({ tensors }: TorchCase, prefix: string): Map<string, Table> {
  const get = (name: string) => need(tensors, `${prefix}.${name}`);
  const attention = Object.entries(attentionFromTorch((name) => get(`self_attn.${name}`)));
  return new Map([
    ...attention.map(([name, table]) => [`attention.${name}`, table] as const),
    ['feedForward.W_1', transposed(get('linear1.weight'))],
    ['feedForward.b_1', row(get('linear1.bias'))],
    ['feedForward.W_2', transposed(get('linear2.weight'))],
    ['feedForward.b_2', row(get('linear2.bias'))],
    ['norm1.gain', row(get('norm1.weight'))],
    ['norm1.bias', row(get('norm1.bias'))],
    ['norm2.gain', row(get('norm2.weight'))],
    ['norm2.bias', row(get('norm2.bias'))],
  ]);
}

/** A tensor of the case as [batch, rows, width], whatever layout it has. */
export function batchFirst(testCase: TorchCase, name: string): Tensor {
  const tensor = need(testCase.tensors, name);
  return encoderLayerConfig(testCase).batch_first ? tensor : swapAxes(tensor, 0, 1);
}
