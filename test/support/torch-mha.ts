import { type Matrix, MultiHeadAttention, type StoredTensor } from 'qkv';
import type { TorchCase } from './conformance.js';
import { type BatchMasks, batchMask, flagsOfBias } from './masks.js';
import { broadcast, entry, flatten, isFlags, sizeOf, swapAxes, type Table, type Tensor } from './tensor.js';

/** The description of a case of kind mha. */
export interface MhaConfig {
  embed_dim: number;
  num_heads: number;
  kdim: number;
  vdim: number;
  bias: boolean;
  batch_first: boolean;
  batched: boolean;
  self_attention: boolean;
  need_weights: boolean;
  average_attn_weights: boolean;
  add_bias_kv: boolean;
  add_zero_attn: boolean;
}

export function mhaConfig({ config }: TorchCase): MhaConfig {
  return config as unknown as MhaConfig;
}

/** The layer of a case with PyTorch's weights. */
export function mhaFromTorch(testCase: TorchCase, causal: boolean): MultiHeadAttention {
  const { num_heads, add_zero_attn } = mhaConfig(testCase);
  const options = { numHeads: num_heads, addZeroAttention: add_zero_attn, causal, prefix: 'param.' };
  return MultiHeadAttention.fromTorch(storedTensors(testCase), options);
}

/** The parameters of a case, as its file holds them. */
export function storedTensors({ tensors }: TorchCase): Map<string, StoredTensor> {
  const parameters = [...tensors].filter(([name]) => name.startsWith('param.'));
  return new Map(parameters.map(([name, { shape, data }]) => [name, { dtype: 'F32', shape, data }]));
}

/** The gradients of a case's parameters, in the library's layout and under its names. */
export function mhaGradients({ tensors }: TorchCase): Map<string, Table> {
  const found = new Map<string, Table>();
  const get = (name: string) => tensors.get(`grad.param.${name}`);
  const put = (name: string, tensor: Tensor | undefined, isRow = false) =>
    tensor && found.set(name, isRow ? flatten(tensor, 0) : flatten(swapAxes(tensor, 0, 1), 1));
  const [weight, bias] = [get('in_proj_weight'), get('in_proj_bias')];
  ['Q', 'K', 'V'].forEach((role, i) => {
    put(`W_${role}`, weight ? splitRows(weight, 3)[i] : get(`${role.toLowerCase()}_proj_weight`));
    put(`b_${role}`, bias && splitRows(bias, 3)[i], true);
  });
  put('W_O', get('out_proj.weight'));
  put('b_O', get('out_proj.bias'), true);
  put('bias_K', get('bias_k'), true);
  put('bias_V', get('bias_v'), true);
  return found;
}

function splitRows(tensor: Tensor, parts: number): Tensor[] {
  const shape = [tensor.shape[0] / parts, ...tensor.shape.slice(1)];
  const size = sizeOf(shape);
  return Array.from({ length: parts }, (_, i) => ({ shape, data: tensor.data.slice(i * size, (i + 1) * size) }));
}

/** in.* or out.* as [batch, rows, width], whatever layout the case has; undefined where it is absent. */
export function batchFirst(testCase: TorchCase, name: string): Tensor | undefined {
  const { batched, batch_first } = mhaConfig(testCase);
  const tensor = testCase.tensors.get(name);
  if (tensor === undefined) return undefined;
  if (!batched) return { shape: [1, ...tensor.shape], data: tensor.data };
  return batch_first ? tensor : swapAxes(tensor, 0, 1);
}

/** out.weights or grad.weights as [batch, heads or 1 (their mean), Lq, Lk]. */
export function expectedWeights(testCase: TorchCase, name = 'out.weights'): Tensor | undefined {
  const { batched, average_attn_weights } = mhaConfig(testCase);
  const tensor = testCase.tensors.get(name);
  if (tensor === undefined) return undefined;
  const shape = batched ? [...tensor.shape] : [1, ...tensor.shape];
  if (average_attn_weights) shape.splice(1, 0, 1);
  return { shape, data: tensor.data };
}

/** PyTorch's masks in the library's sense: there true forbids, and a 3-D mask is [batch·heads, Lq, Lk]. */
export function mhaMasks(testCase: TorchCase, batch: number, rows: number, keys: number): BatchMasks {
  const { num_heads } = mhaConfig(testCase);
  const full = [batch, num_heads, rows, keys] as const;
  const given = testCase.tensors.get('in.attn_mask');
  const perHead = given !== undefined && given.shape.length === 3;
  const attention = given && batchMask(perHead ? { shape: full, data: given.data } : given, full);
  const padding = testCase.tensors.get('in.key_padding_mask');
  const masks: BatchMasks = {};
  if (attention && isFlags(attention)) masks.mask = inverted(attention);
  if (attention && !isFlags(attention)) masks.bias = attention;
  if (padding && isFlags(padding)) masks.keyMask = inverted({ shape: [batch, keys], data: padding.data });
  if (padding && !isFlags(padding))
    masks.bias = sum(masks.bias, { shape: [batch, 1, 1, keys], data: padding.data }, full);
  return masks;
}

function inverted({ shape, data }: Tensor): Tensor {
  return { shape, data: Uint8Array.from(data, (flag) => 1 - flag) };
}

function sum(a: Tensor | undefined, b: Tensor, full: readonly [number, number, number, number]): Tensor {
  const [left, right] = [a && broadcast(a, full), broadcast(b, full)];
  return { shape: full, data: Float32Array.from(right.data, (value, i) => value + (left?.data[i] ?? 0)) };
}

/** The flags of a mask that depends on nothing but query and key, if that is all that the case masks. */
export function plainFlags({ mask, bias, keyMask }: BatchMasks): Tensor | undefined {
  if (keyMask !== undefined || (mask !== undefined && bias !== undefined)) return undefined;
  return mask ?? (bias && flagsOfBias(bias));
}

/** The mean over heads. */
export function meanOf(matrices: readonly Matrix[]): Matrix {
  return matrices.reduce((total, matrix) => total.add(matrix)).scale(1 / matrices.length);
}

/** Entry n of a [batch, heads, rows, columns] tensor, as one matrix per head. */
export function headTables(tensor: Tensor, n: number) {
  const own = entry(tensor, n);
  return Array.from({ length: own.shape[0] }, (_, h) => flatten(entry(own, h), 1));
}
