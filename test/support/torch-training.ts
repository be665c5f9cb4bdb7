import { Adam, AdamW, type Gradients, type Matrix, SGD } from 'qkv';
import type { TorchCase } from './conformance.js';
import { entry, flatten, need, swapAxes, type Table, type Tensor } from './tensor.js';

/** The optimizer that a case of kind training names, with its settings; it updates rows as PyTorch does. */
export function optimizerFromTorch({ config }: TorchCase, parameters: readonly Matrix[]): SGD | Adam | AdamW {
  const { optimizer, lr, weight_decay, momentum, dampening, nesterov, betas, eps } = config as TrainingConfig;
  const shared = { learningRate: lr, weightDecay: weight_decay, rowUpdates: 'dense' } as const;
  if (optimizer === 'SGD') {
    if (dampening !== 0) throw new Error(`no test for dampening ${dampening}`);
    return new SGD(parameters, { ...shared, momentum, nesterov });
  }
  if (optimizer === 'Adam') return new Adam(parameters, { ...shared, betas, epsilon: eps });
  if (optimizer === 'AdamW') return new AdamW(parameters, { ...shared, betas, epsilon: eps });
  throw new Error(`no test for the optimizer ${optimizer}`);
}

export interface TrainingConfig extends Record<string, unknown> {
  num_heads: number;
  label_smoothing: number;
  optimizer: string;
  lr: number;
  weight_decay: number;
  momentum?: number;
  dampening?: number;
  nesterov?: boolean;
  betas?: [number, number];
  eps?: number;
}

/** The tensors `prefix.…` of a case in the library's layout, y = x·W + b, by the library's names. */
export function layoutFromTorch({ tensors }: TorchCase, prefix: string): Record<string, Table> {
  const get = (name: string) => need(tensors, `${prefix}.${name}`);
  return {
    table: flatten(get('embedding.weight'), 1),
    ...attentionFromTorch((name) => get(`attention.${name}`)),
    W: transposed(get('linear.weight')),
    b: row(get('linear.bias')),
  };
}

/** The parameters of nn.MultiheadAttention, or their gradients. */
export function attentionFromTorch(get: (name: string) => Tensor): Record<string, Table> {
  const [W_Q, W_K, W_V] = thirds(get('in_proj_weight')).map(transposed);
  const [b_Q, b_K, b_V] = thirds(get('in_proj_bias')).map(row);
  const [W_O, b_O] = [transposed(get('out_proj.weight')), row(get('out_proj.bias'))];
  return { W_Q, W_K, W_V, b_Q, b_K, b_V, W_O, b_O };
}

/** y = x·Wᵀ there, x·W here. */
export function transposed(tensor: Tensor): Table {
  return flatten(swapAxes(tensor, 0, 1), 1);
}

export function row(tensor: Tensor): Table {
  return flatten(tensor, 0);
}

function thirds({ shape: [rows, ...inner], data }: Tensor): Tensor[] {
  const stacked: Tensor = { shape: [3, rows / 3, ...inner], data };
  return [0, 1, 2].map((i) => entry(stacked, i));
}

/** The dense gradient of a matrix; zeros if it has none. */
export function denseGradient(gradients: Gradients, x: Matrix): Table {
  const { rows, cols } = x;
  const gradient = gradients.get(x);
  if (gradient !== undefined && !('values' in gradient)) return gradient;
  const data = new Float64Array(rows * cols);
  gradient?.rows.forEach((row, i) => {
    data.set(gradient.values.row(i), row * cols);
  });
  return { rows, cols, data };
}
