import {
  crossEntropy,
  Embedding,
  gelu,
  layerNorm,
  logSoftmax,
  type Matrix,
  pack,
  relu,
  rotary,
  type StoredTensor,
  scaledDotProductAttention,
  silu,
  valueAndGrad,
} from 'qkv';
import { expect } from 'vitest';
import { expectTable } from '../support/compare.js';
import { describeCases, type TorchCase, torchCases } from '../support/conformance.js';
import { batchMask, packedMaskOptions } from '../support/masks.js';
import { flatten, need, sequences, stacked, swapAxes, type Table, type Tensor, toMatrix } from '../support/tensor.js';
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
  const run = (testCase: TorchCase, twin: Twin) => {
    const { tensors, config } = testCase;
    expectAllRead(testCase, 'in.x');
    const rows = (name: string) => rowsAlong(need(tensors, name), config.axis as number);
    const zeros = (table: Table) => ({ ...table, data: Array.from(table.data, (v) => (Number.isNaN(v) ? 0 : v)) });
    const x = toMatrix(rows('in.x'));
    const tolerance = toleranceOf(testCase, twin);
    if (kind === 'log-softmax') expectTable(f(x), rows('out.output'), tolerance, 'values');
    // PyTorch has NaN in a row that is all −∞; here its gradient is 0.
    check(() => f(x), toMatrix(rows('grad.output')), [['x', x, zeros(rows('grad.in.x'))]], tolerance);
  };
  if (kind === 'log-softmax') describeCases('log-softmax cases made here', [0, -1].map(madeLogSoftmax), 2, run);
  if (known === 0 && torchCases(kind)?.length === 0) continue; // the family may hold one elsewhere
  describeCases(`PyTorch gradients of ${kind}`, torchCases(kind), known, run);
}

/** Y = X − log Σ e^X along the axis, dX = dY − e^Y·Σ dY, of a 2×3. */
function madeLogSoftmax(axis: number): TorchCase {
  const [x, dY] = [
    [0.5, -1, 2, 0, 1.5, -0.25],
    [1, 0.5, -2, 0.25, -1, 3],
  ];
  const sums = (values: number[]) =>
    values.map((_, i) => {
      const isBeside = (j: number) => (axis === 0 ? i % 3 === j % 3 : Math.floor(i / 3) === Math.floor(j / 3));
      return values.reduce((total, value, j) => (isBeside(j) ? total + value : total), 0);
    });
  const logSums = sums(x.map(Math.exp)).map(Math.log);
  const y = x.map((value, i) => value - logSums[i]);
  const upstream = sums(dY);
  const dX = dY.map((value, i) => value - Math.exp(y[i]) * upstream[i]);
  const made = Object.entries({ 'in.x': x, 'out.output': y, 'grad.output': dY, 'grad.in.x': dX });
  const tensors = new Map(made.map(([name, data]) => [name, { shape: [2, 3], data: Float64Array.from(data) }]));
  return { name: `axis ${axis}`, kind: 'log-softmax', config: { compute: 'float64', axis }, tensors };
}

const crossEntropies = torchCases('cross-entropy');

describeCases('PyTorch cross-entropy', crossEntropies, 2, checkCrossEntropy);

describeCases(
  'PyTorch cross-entropy, said differently',
  crossEntropies?.flatMap(restatedEntropies),
  6,
  checkCrossEntropy,
);

function checkCrossEntropy(testCase: TorchCase, twin: Twin): void {
  const { tensors, config } = testCase;
  expectAllRead(testCase, 'in.logits');
  const classes = Math.min(1, need(tensors, 'in.logits').shape.length - 1); // the axis: [N, classes, …]
  const logits = toMatrix(rowsAlong(need(tensors, 'in.logits'), classes));
  const targets = Array.from(need(tensors, 'in.target').data);
  const options = { ignoreIndex: config.ignore_index as number, labelSmoothing: config.label_smoothing as number };
  const counted = targets.filter((target) => target !== options.ignoreIndex).length;
  if (config.reduction !== 'mean' && config.reduction !== 'sum') throw new Error(`no test for ${config.reduction}`);
  const factor = config.reduction === 'sum' ? counted : 1;
  const { value, gradients } = valueAndGrad(() => crossEntropy(logits, targets, options).scale(factor));
  const tolerance = toleranceOf(testCase, twin) * Math.max(1, factor);
  // The mean of nothing is NaN in PyTorch, 0 here.
  const zeroed = (table: Table) => ({ ...table, data: Array.from(table.data, (x) => (counted === 0 ? 0 : x)) });
  const loss = { rows: 1, cols: 1, data: [value] };
  expectTable(loss, zeroed(flatten(need(tensors, 'out.loss'), 0)), tolerance, 'the loss');
  const expected = zeroed(rowsAlong(need(tensors, 'grad.in.logits'), classes));
  expectTable(denseGradient(gradients, logits), expected, tolerance, 'logits');
}

/** The sum instead of the mean; the classes in the middle, [1, classes, N]; nothing that counts, which is NaN in PyTorch. */
function restatedEntropies(testCase: TorchCase): TorchCase[] {
  const { name, tensors, config } = testCase;
  const [logits, target] = [need(tensors, 'in.logits'), need(tensors, 'in.target')];
  if (logits.shape.length !== 2 || config.reduction !== 'mean') return [];
  const change = (how: string, changed: Record<string, (tensor: Tensor) => Tensor>, more = {}): TorchCase => {
    const own = new Map(Array.from(tensors, ([key, tensor]) => [key, changed[key]?.(tensor) ?? tensor]));
    return { ...testCase, name: `${name}, ${how}`, config: { ...config, ...more }, tensors: own };
  };
  const times = (factor: number) => (tensor: Tensor) => ({
    shape: tensor.shape,
    data: Float64Array.from(tensor.data, (x) => factor * x),
  });
  const middle = (tensor: Tensor) => {
    const swapped = swapAxes(tensor, 0, 1);
    return { shape: [1, ...swapped.shape], data: swapped.data };
  };
  const counted = target.data.filter((id) => id !== config.ignore_index).length;
  const ignored = Int32Array.from(target.data, () => config.ignore_index as number);
  const all = { 'out.loss': times(counted), 'grad.in.logits': times(counted) };
  const none = { 'out.loss': times(Number.NaN), 'grad.in.logits': times(Number.NaN) };
  return [
    change('summed', all, { reduction: 'sum' }),
    change('classes in the middle', { 'in.logits': middle, 'grad.in.logits': middle }),
    change('nothing counted', { ...none, 'in.target': ({ shape }) => ({ shape, data: ignored }) }),
  ];
}
