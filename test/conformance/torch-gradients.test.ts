import {
  crossEntropy,
  Embedding,
  gelu,
  layerNorm,
  logSoftmax,
  type Matrix,
  type MultiHeadAttentionForwardOptions,
  pack,
  relu,
  rotary,
  type StoredTensor,
  scaledDotProductAttention,
  silu,
  valueAndGrad,
} from 'qkv';
import { expect } from 'vitest';
import { expectClose, expectTable } from '../support/compare.js';
import { describeCases, type TorchCase, torchCases } from '../support/conformance.js';
import { batchMask, packedMaskOptions } from '../support/masks.js';
import { flatten, need, sequences, stacked, swapAxes, type Table, type Tensor, toMatrix } from '../support/tensor.js';
import { batchFirst, mhaFromTorch, mhaGradients, mhaMasks } from '../support/torch-mha.js';
import { denseGradient } from '../support/torch-training.js';
import type { Twin } from '../support/twins.js';

// PyTorch's gradients: of the sum of output ∘ grad.output with respect to every input and parameter. The values of the same
// cases are compared in the other files of this folder.

const toleranceOf = ({ config }: TorchCase, twin: Twin) => (config.compute === 'float32' ? 1e-5 : twin.tolerance);

/** The gradients of `forward`'s output, weighed by grad.output, against the expected ones. */
function check(forward: () => Matrix, upstream: Matrix, wanted: [string, Matrix, Table][], tolerance: number): void {
  const { gradients } = valueAndGrad(() => forward().multiply(upstream).sum());
  expect(wanted.length).toBeGreaterThan(0);
  for (const [name, x, expected] of wanted) expectTable(denseGradient(gradients, x), expected, tolerance, name);
}

/** Every tensor grad.* of a case is compared by its test. */
function expectAllRead({ tensors }: TorchCase, ...read: string[]): void {
  const stored = [...tensors.keys()].filter((name) => name.startsWith('grad.') && name !== 'grad.output');
  expect(stored.sort()).toEqual(read.map((name) => `grad.${name}`).sort());
}

describeCases('PyTorch gradients of scaled_dot_product_attention', torchCases('sdpa'), 8, (testCase, { tolerance }) => {
  const { tensors, config } = testCase;
  expectAllRead(testCase, 'in.query', 'in.key', 'in.value');
  const packed = (name: string) => pack(sequences(need(tensors, name)).map(toMatrix));
  const [q, k, v] = ['in.query', 'in.key', 'in.value'].map(packed);
  const [batch, heads, rows] = need(tensors, 'in.query').shape;
  const allowed = tensors.get('in.mask_allowed');
  const shape = [batch, heads, rows, need(tensors, 'in.key').shape[2]] as const;
  const options = {
    numHeads: config.heads as number,
    numKvHeads: config.kv_heads as number,
    scale: config.scale as number,
    softcap: config.softcap as number,
    cuSeqlens: q.cuSeqlens,
    cuSeqlensK: k.cuSeqlens,
    ...packedMaskOptions(allowed === undefined ? {} : { mask: batchMask(allowed, shape) }),
  };
  const expected = (name: string) => stacked(sequences(need(tensors, `grad.in.${name}`)));
  const wanted: [string, Matrix, Table][] = [
    ['q', q.packed, expected('query')],
    ['k', k.packed, expected('key')],
    ['v', v.packed, expected('value')],
  ];
  const forward = () => scaledDotProductAttention(q.packed, k.packed, v.packed, options);
  check(forward, packed('grad.output').packed, wanted, tolerance);
});

describeCases('PyTorch gradients of MultiheadAttention', torchCases('mha'), 17, (testCase, { tolerance }) => {
  const tables = (name: string) => {
    const tensor = batchFirst(testCase, name);
    return tensor && sequences({ shape: [tensor.shape[0], 1, ...tensor.shape.slice(1)], data: tensor.data });
  };
  const inputs = (name: string) => tables(name)?.map(toMatrix);
  const layer = mhaFromTorch(testCase, false);
  const query = inputs('in.query') as Matrix[];
  const key = inputs('in.key');
  const x = pack(query);
  const options: MultiHeadAttentionForwardOptions = {
    cuSeqlens: x.cuSeqlens,
    ...packedMaskOptions(mhaMasks(testCase, query.length, query[0].rows, (key ?? query)[0].rows)),
  };
  const wanted: [string, Matrix, Table][] = [['query', x.packed, stacked(tables('grad.in.query') as Table[])]];
  if (key !== undefined) {
    const value = inputs('in.value');
    const k = pack(key);
    const v = value ? pack(value) : k;
    options.context = { key: k.packed, value: v.packed };
    options.cuSeqlensK = k.cuSeqlens;
    wanted.push(['key', k.packed, stacked(tables('grad.in.key') as Table[])]);
    if (value) wanted.push(['value', v.packed, stacked(tables('grad.in.value') as Table[])]);
  }
  const parameters = layer.namedParameters();
  const expected = mhaGradients(testCase);
  expect([...expected.keys()].sort()).toEqual([...parameters.keys()].sort());
  for (const [name, parameter] of parameters) wanted.push([name, parameter, expected.get(name) as Table]);
  const upstream = pack(inputs('grad.output') as Matrix[]).packed;
  // A logit z is rounded to |z|·2^-24, which moves its weight by as large a share.
  const logits = layer.attentionWeights(x.packed, { ...options, stage: 'scaledScores' });
  const largest = Math.max(...logits.flatMap(({ data }) => Array.from(data, Math.abs)));
  check(() => layer.forward(x.packed, options), upstream, wanted, tolerance * Math.max(1, largest));
});

describeCases('PyTorch gradients of layer-norm', torchCases('layer-norm'), 2, (testCase, twin) => {
  const { tensors, config } = testCase;
  const axis = need(tensors, 'in.x').shape.length - (config.normalized_shape as number[]).length;
  const table = (name: string) => flatten(need(tensors, name), axis);
  const row = (name: string) => flatten(need(tensors, name), 0);
  const x = toMatrix(table('in.x'));
  const wanted: [string, Matrix, Table][] = [['x', x, table('grad.in.x')]];
  const [gain, bias] = ['weight', 'bias'].map((name) => {
    if (!tensors.has(`param.${name}`)) return undefined;
    const parameter = toMatrix(row(`param.${name}`));
    wanted.push([name, parameter, row(`grad.param.${name}`)]);
    return parameter;
  });
  expectAllRead(testCase, 'in.x', ...(gain ? ['param.weight'] : []), ...(bias ? ['param.bias'] : []));
  const forward = () => layerNorm(x, gain, bias, { epsilon: config.eps as number });
  check(forward, toMatrix(table('grad.output')), wanted, toleranceOf(testCase, twin));
});

const ACTIVATIONS: Record<string, (x: Matrix) => Matrix> = {
  relu,
  silu,
  'gelu none': (x) => gelu(x),
  'gelu tanh': (x) => gelu(x, { approximate: 'tanh' }),
};

describeCases('PyTorch gradients of activations', torchCases('activation'), 2, (testCase, twin) => {
  const { tensors, config } = testCase;
  expectAllRead(testCase, 'in.x');
  const name = config.function === 'gelu' ? `gelu ${config.approximate ?? 'none'}` : String(config.function);
  const row = (tensor: string) => flatten(need(tensors, tensor), 0);
  const x = toMatrix(row('in.x'));
  const forward = () => ACTIVATIONS[name](x);
  check(forward, toMatrix(row('grad.output')), [['x', x, row('grad.in.x')]], toleranceOf(testCase, twin));
});

describeCases('PyTorch gradients of rope', torchCases('rope'), 2, (testCase, twin) => {
  const { tensors, config } = testCase;
  expectAllRead(testCase, 'in.x');
  const all = (name: string) => stacked(sequences(need(tensors, name)));
  const x = toMatrix(all('in.x'));
  const length = need(tensors, 'in.x').shape[2];
  const forward = () =>
    rotary(x, {
      numHeads: need(tensors, 'in.x').shape[1],
      base: config.theta as number,
      dim: config.rotary_dim as number,
      interleaved: config.interleaved as boolean,
      positions: Array.from({ length: x.rows }, (_, i) => (config.first_position as number) + (i % length)),
    });
  check(forward, toMatrix(all('grad.output')), [['x', x, all('grad.in.x')]], toleranceOf(testCase, twin));
});

describeCases('PyTorch gradients of embedding', torchCases('embedding'), 1, (testCase, twin) => {
  const { tensors, config } = testCase;
  expectAllRead(testCase, 'param.weight');
  const weight = need(tensors, 'param.weight');
  const paddingIndex = (config.padding_idx as number | null | undefined) ?? undefined;
  const layer = new Embedding(weight.shape[0], weight.shape[1], { paddingIndex });
  const table: StoredTensor = { dtype: 'F32', shape: weight.shape, data: Float32Array.from(weight.data) };
  layer.loadStateDict(new Map([['table', table]]));
  const output = need(tensors, 'grad.output');
  const upstream = toMatrix(flatten(output, output.shape.length - 1));
  const ids = Array.from(need(tensors, 'in.ids').data);
  const wanted: [string, Matrix, Table][] = [['table', layer.table, flatten(need(tensors, 'grad.param.weight'), 1)]];
  check(() => layer.forward(ids), upstream, wanted, toleranceOf(testCase, twin));
  // Only rows that were read, without the padding, have one.
  const { gradients } = valueAndGrad(() => layer.forward(ids).sum());
  const used = [...new Set(ids)].filter((id) => id !== paddingIndex).sort((a, b) => a - b);
  expect(gradients.get(layer.table)).toMatchObject({ rows: Int32Array.from(used) });
});

/** Along its last axis, whichever the case's axis is. */
function rowsAlong(tensor: Tensor, axis: number): Table {
  const last = tensor.shape.length - 1;
  return flatten(swapAxes(tensor, axis < 0 ? axis + tensor.shape.length : axis, last), last);
}

const SOFTMAXES = [
  ['softmax', 3, (x: Matrix) => x.softmax()],
  ['log-softmax', 0, logSoftmax],
] as const;

for (const [kind, known, f] of SOFTMAXES) {
  if (known === 0 && torchCases(kind)?.length === 0) continue; // the family may hold one elsewhere
  describeCases(`PyTorch gradients of ${kind}`, torchCases(kind), known, (testCase, twin) => {
    const { tensors, config } = testCase;
    expectAllRead(testCase, 'in.x');
    const rows = (name: string) => rowsAlong(need(tensors, name), config.axis as number);
    const zeros = (table: Table): Table => ({
      ...table,
      data: Array.from(table.data, (v) => (Number.isNaN(v) ? 0 : v)),
    });
    const x = toMatrix(rows('in.x'));
    const tolerance = toleranceOf(testCase, twin);
    if (kind === 'log-softmax') expectTable(f(x), rows('out.output'), tolerance, 'values');
    // PyTorch has NaN in a row that is all −∞; here its gradient is 0.
    check(() => f(x), toMatrix(rows('grad.output')), [['x', x, zeros(rows('grad.in.x'))]], tolerance);
  });
}

describeCases('PyTorch cross-entropy', torchCases('cross-entropy'), 2, (testCase, twin) => {
  const { tensors, config } = testCase;
  expectAllRead(testCase, 'in.logits');
  expect(config.reduction).toBe('mean');
  const last = need(tensors, 'in.logits').shape.length - 1;
  const logits = toMatrix(flatten(need(tensors, 'in.logits'), last));
  const targets = Array.from(need(tensors, 'in.target').data);
  const options = { ignoreIndex: config.ignore_index as number, labelSmoothing: config.label_smoothing as number };
  const { value, gradients } = valueAndGrad(() => crossEntropy(logits, targets, options));
  const tolerance = toleranceOf(testCase, twin);
  expectClose([value], need(tensors, 'out.loss').data, tolerance, 'the loss');
  expectTable(denseGradient(gradients, logits), flatten(need(tensors, 'grad.in.logits'), last), tolerance, 'logits');
});
