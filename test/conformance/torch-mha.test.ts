import { type Matrix, type MultiHeadAttention, type MultiHeadAttentionForwardOptions, pack, unpack } from 'qkv';
import { describe, expect, it } from 'vitest';
import { expectTable } from '../support/compare.js';
import { describeCases, type TorchCase, torchCases } from '../support/conformance.js';
import { type BatchMasks, isBand, maskOptions, packedMaskOptions } from '../support/masks.js';
import { sequence, type Table, type Tensor, toMatrix } from '../support/tensor.js';
import {
  batchFirst,
  expectedWeights,
  headTables,
  meanOf,
  mhaConfig,
  mhaFromTorch,
  mhaMasks,
  plainFlags,
} from '../support/torch-mha.js';
import { restated } from '../support/torch-mha-layouts.js';

const cases = torchCases('mha');

/** Cases where a query has nothing to attend to: PyTorch says NaN, here the weights are 0 and the output is b_O. */
const nanRows = cases?.filter(({ tensors }) => tensors.get('out.output')?.data.some(Number.isNaN)) ?? [];

describe.skipIf(cases === undefined)('PyTorch MultiheadAttention', () => {
  it(`rows that are NaN there and zeros here: ${nanRows.map(({ name }) => name).join(', ') || 'no case has one'}`, () => {
    const masked = ({ tensors }: TorchCase) => tensors.has('in.attn_mask') || tensors.has('in.key_padding_mask');
    expect(nanRows.filter((testCase) => !masked(testCase))).toEqual([]);
  });
});

describeCases('PyTorch MultiheadAttention', cases, 17, (testCase, { tolerance }) => checkMha(testCase, tolerance));

describeCases(
  'PyTorch MultiheadAttention, said differently',
  cases && restated(cases),
  6,
  (testCase, { tolerance }) => {
    checkMha(testCase, tolerance);
  },
);

function checkMha(testCase: TorchCase, tolerance: number): void {
  const query = inputs(testCase, 'in.query');
  if (query === undefined) throw new Error('the case has no in.query');
  const key = inputs(testCase, 'in.key');
  const value = inputs(testCase, 'in.value') ?? key;
  const keys = (key ?? query)[0].rows;
  const masks = mhaMasks(testCase, query.length, query[0].rows, keys);
  const check = (label: string, layer: MultiHeadAttention, ownMasks: BatchMasks) => {
    query.forEach((x, n) => {
      const context = key && value && { key: key[n], value: value[n] };
      const options = { context, ...maskOptions(ownMasks, n) };
      compare(testCase, n, tolerance, `${label}, sequence ${n} alone`, layer, {
        out: layer.forward(x, options),
        weights: layer.attentionWeights(x, options),
      });
    });
    const { packed, cuSeqlens } = pack(query);
    const options: MultiHeadAttentionForwardOptions = { cuSeqlens, ...packedMaskOptions(ownMasks) };
    if (key && value) {
      options.context = { key: pack(key).packed, value: pack(value).packed };
      options.cuSeqlensK = pack(key).cuSeqlens;
    }
    const weights = layer.attentionWeights(packed, options);
    const heads = weights.length / query.length;
    unpack(layer.forward(packed, options), cuSeqlens).forEach((out, n) => {
      const own = weights.slice(n * heads, (n + 1) * heads);
      compare(testCase, n, tolerance, `${label}, sequence ${n} packed`, layer, { out, weights: own });
    });
  };
  check('by mask', mhaFromTorch(testCase, false), masks);
  // Where the mask is causal, the option must do the same without it.
  const flags = plainFlags(masks);
  if (flags && isBand(flags, keys - query[0].rows, Number.POSITIVE_INFINITY, 0)) {
    check('by causal', mhaFromTorch(testCase, true), {});
  }
}

function inputs(testCase: TorchCase, name: string): Matrix[] | undefined {
  const tensor = batchFirst(testCase, name);
  return tensor && Array.from({ length: tensor.shape[0] }, (_, n) => toMatrix(sequence(tensor, n)));
}

function compare(
  testCase: TorchCase,
  n: number,
  tolerance: number,
  label: string,
  layer: MultiHeadAttention,
  got: { out: Matrix; weights: Matrix[] },
): void {
  const { num_heads, need_weights, average_attn_weights } = mhaConfig(testCase);
  const output = sequence(batchFirst(testCase, 'out.output') as Tensor, n);
  expectTable(got.out, nanRowsAs(output, layer.b_O?.data), tolerance, `output ${label}`);
  expect(got.weights.length).toBe(num_heads);
  const expected = expectedWeights(testCase);
  expect(expected !== undefined).toBe(need_weights);
  if (expected === undefined) return;
  const weights = average_attn_weights ? [meanOf(got.weights)] : got.weights;
  headTables(expected, n).forEach((table, h) => {
    expectTable(weights[h], nanRowsAs(table), tolerance, `weights ${label}, head ${h}`);
  });
}

/** The table with `row` (zeros when absent) in place of every row that is all NaN. */
function nanRowsAs({ rows, cols, data }: Table, row?: ArrayLike<number>): Table {
  const out = Float64Array.from(data);
  for (let start = 0; start < out.length; start += cols) {
    const own = out.subarray(start, start + cols);
    if (own.every(Number.isNaN)) own.set(row ?? new Float64Array(cols));
  }
  return { rows, cols, data: out };
}
