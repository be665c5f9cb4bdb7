import { Matrix, type MultiHeadAttention, pack, scaledDotProductAttention, unpack, valueAndGrad } from 'qkv';
import { expect } from 'vitest';
import { expectTable } from '../support/compare.js';
import { describeCases, type TorchCase, torchCases } from '../support/conformance.js';
import { maskOptions, packedMaskOptions } from '../support/masks.js';
import { resizeLast, sequences, stacked, type Table, type Tensor, toMatrix } from '../support/tensor.js';
import {
  batchFirst,
  expectedWeights,
  headTables,
  meanOf,
  mhaConfig,
  mhaFromTorch,
  mhaGradients,
  mhaMasks,
} from '../support/torch-mha.js';
import { restated } from '../support/torch-mha-layouts.js';
import { denseGradient } from '../support/torch-training.js';
import type { Twin } from '../support/twins.js';

// PyTorch's gradients of nn.MultiheadAttention: of Σ output∘grad.output, and of the weights where a case says so. The values
// are compared in torch-mha.test.ts.

const cases = torchCases('mha');
const withWeights = cases?.filter(({ tensors }) => tensors.get('out.weights')?.data.every(Number.isFinite));
const differently = cases && restated(cases).filter(({ tensors }) => [...tensors.keys()].some(isOfParameter));

describeCases('PyTorch gradients of MultiheadAttention', cases, 17, checkMha);

describeCases('PyTorch gradients of MultiheadAttention, said differently', differently, 6, checkMha);

describeCases(
  'the weights of MultiheadAttention as an attention to unit vectors, which has gradients',
  withWeights,
  17,
  (testCase, { tolerance }) => {
    const { x, context } = readInputs(testCase);
    const got = weightsOf(testCase, mhaFromTorch(testCase, false), x, context?.key ?? x);
    const expected = expectedWeights(testCase) as Tensor;
    got.forEach((weights, n) => {
      const tables = headTables(expected, n);
      expect(weights.length).toBe(tables.length);
      tables.forEach((table, h) => expectTable(weights[h], table, tolerance, `sequence ${n}, head ${h}`));
    });
  },
);

describeCases(
  'PyTorch gradients of MultiheadAttention, with an upstream gradient of the weights that says nothing',
  withWeights?.map(withUpstreamOfWeights),
  17,
  checkMha,
);

function isOfParameter(name: string): boolean {
  return name.startsWith('grad.param.');
}

/** The gradient of a row's weights is the same number for all of them: their sum is 1, whatever goes in. */
function withUpstreamOfWeights(testCase: TorchCase): TorchCase {
  const { shape } = testCase.tensors.get('out.weights') as Tensor;
  const columns = shape[shape.length - 1];
  const data = Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.floor(i / columns) % 5);
  return { ...testCase, tensors: new Map(testCase.tensors).set('grad.weights', { shape, data }) };
}

function tablesOf(testCase: TorchCase, name: string): Table[] | undefined {
  const tensor = batchFirst(testCase, name);
  return tensor && sequences({ shape: [tensor.shape[0], 1, ...tensor.shape.slice(1)], data: tensor.data });
}

function readInputs(testCase: TorchCase) {
  const [x, key, value] = ['in.query', 'in.key', 'in.value'].map((name) => tablesOf(testCase, name)?.map(toMatrix));
  if (x === undefined) throw new Error('the case has no in.query');
  return { x, context: key && { key, value: value ?? key } };
}

function checkMha(testCase: TorchCase, { tolerance }: Twin): void {
  const { x, context } = readInputs(testCase);
  const layer = mhaFromTorch(testCase, false);
  const query = pack(x);
  const [key, value] = [context?.key, context?.value].map((matrices) => matrices && pack(matrices));
  const expectedOf = (name: string) => stacked(tablesOf(testCase, `grad.in.${name}`) as Table[]);
  const wanted: [string, Matrix, Table][] = [['query', query.packed, expectedOf('query')]];
  if (key && value) {
    wanted.push(['key', key.packed, expectedOf('key')]);
    if (testCase.tensors.has('in.value')) wanted.push(['value', value.packed, expectedOf('value')]);
  }
  const parameters = layer.namedParameters();
  const expected = mhaGradients(testCase);
  expect([...expected.keys()].sort()).toEqual([...parameters.keys()].sort());
  for (const [name, parameter] of parameters) wanted.push([name, parameter, expected.get(name) as Table]);
  const options = {
    cuSeqlens: query.cuSeqlens,
    cuSeqlensK: key?.cuSeqlens,
    context: key && value && { key: key.packed, value: value.packed },
    ...packedMaskOptions(mhaMasks(testCase, x.length, x[0].rows, (context?.key ?? x)[0].rows)),
  };
  // A logit z is rounded to |z|·2^-24, which moves its weight by as large a share.
  const logits = layer.attentionWeights(query.packed, { ...options, stage: 'scaledScores' });
  const largest = Math.max(1, ...logits.flatMap(({ data }) => Array.from(data, Math.abs)));
  const { gradients } = valueAndGrad(() => {
    const out = layer.forward(query.packed, options);
    const loss = out.multiply(pack((tablesOf(testCase, 'grad.output') as Table[]).map(toMatrix)).packed).sum();
    const upstream = expectedWeights(testCase, 'grad.weights');
    if (upstream === undefined) return loss;
    const queries = unpack(query.packed, query.cuSeqlens);
    const keys = key ? unpack(key.packed, key.cuSeqlens) : queries;
    const parts = weightsOf(testCase, layer, queries, keys).flatMap((weights, n) => {
      const tables = headTables(upstream, n);
      return weights.map((matrix, h) => matrix.multiply(toMatrix(tables[h])).sum());
    });
    return parts.reduce((total, part) => total.add(part), loss);
  });
  for (const [name, matrix, table] of wanted) {
    const got = denseGradient(gradients, matrix);
    expect(Array.from(got.data).every(Number.isFinite), `${name} is finite`).toBe(true);
    expectTable(got, whereKnown(testCase, table, got), tolerance * largest, name);
  }
}

/** The weights of every sequence, one matrix a head or their mean: what the values e_1, e_2 … bring out. */
function weightsOf(
  testCase: TorchCase,
  layer: MultiHeadAttention,
  x: readonly Matrix[],
  key: readonly Matrix[],
): Matrix[][] {
  const { num_heads, average_attn_weights, add_zero_attn } = mhaConfig(testCase);
  const { W_Q, W_K, b_Q, b_K, bias_K } = layer;
  const zero = new Matrix(1, W_K.cols);
  const extra = [...(bias_K ? [bias_K] : []), ...(add_zero_attn ? [zero] : [])]; // keys that no mask forbids
  const masks = mhaMasks(testCase, x.length, x[0].rows, key[0].rows);
  const keys = key[0].rows + extra.length;
  const widened = {
    mask: masks.mask && resizeLast(masks.mask, keys, 1),
    bias: masks.bias && resizeLast(masks.bias, keys, 0),
    keyMask: masks.keyMask && resizeLast(masks.keyMask, keys, 1),
  };
  const affine = (m: Matrix, w: Matrix, b?: Matrix) => (b ? m.matmul(w).add(b) : m.matmul(w));
  const units = Matrix.concatColumns(Array.from({ length: num_heads }, () => Matrix.identity(keys)));
  return x.map((matrix, n) => {
    const q = affine(matrix, W_Q, b_Q);
    const k = Matrix.concatRows([affine(key[n], W_K, b_K), ...extra]);
    const out = scaledDotProductAttention(q, k, units, { numHeads: num_heads, ...maskOptions(widened, n) });
    const heads = Array.from({ length: num_heads }, (_, h) => out.sliceColumns(h * keys, (h + 1) * keys));
    return average_attn_weights ? [meanOf(heads)] : heads;
  });
}

/** PyTorch makes NaN of every gradient that a row with no key reaches; here it is finite, and there is nothing to compare. */
function whereKnown({ tensors }: TorchCase, { rows, cols, data }: Table, got: Table): Table {
  if (!tensors.get('out.output')?.data.some(Number.isNaN)) return { rows, cols, data };
  return { rows, cols, data: Array.from(data, (value, i) => (Number.isNaN(value) ? got.data[i] : value)) };
}
