import { Embedding, gelu, LayerNorm, layerNorm, type Matrix, pack, relu, rotary, type StoredTensor, silu } from 'qkv';
import { expect } from 'vitest';
import { expectRelative, expectTable } from '../support/compare.js';
import { describeCases, type TorchCase, torchCases } from '../support/conformance.js';
import {
  flatten,
  need,
  sequences,
  sizeOf,
  stacked,
  swapAxes,
  type Table,
  type Tensor,
  toMatrix,
} from '../support/tensor.js';
import type { Twin } from '../support/twins.js';

/** The few cases that PyTorch computed in float32 are as rough as that, whatever computes here. */
function toleranceOf({ config }: TorchCase, twin: Twin): number {
  return config.compute === 'float32' ? 1e-5 : twin.tolerance;
}

describeCases('PyTorch rope', torchCases('rope'), 2, (testCase, twin) => {
  const { tensors, config } = testCase;
  const tolerance = toleranceOf(testCase, twin);
  const x = sequences(need(tensors, 'in.x')).map(toMatrix);
  const expected = sequences(need(tensors, 'out.output'));
  const first = config.first_position as number;
  const options = {
    numHeads: need(tensors, 'in.x').shape[1],
    base: config.theta as number,
    dim: config.rotary_dim as number,
    interleaved: config.interleaved as boolean,
  };
  const positions = Array.from({ length: x[0].rows }, (_, i) => first + i);
  x.forEach((matrix, n) => {
    expectTable(rotary(matrix, { ...options, positions }), expected[n], tolerance, `sequence ${n} alone`);
    if (first === 0)
      expectTable(rotary(matrix, options), expected[n], tolerance, `sequence ${n}, positions by default`);
  });
  const all = rotary(pack(x).packed, { ...options, positions: x.flatMap(() => positions) });
  expectTable(all, stacked(expected), tolerance, 'packed');
});

describeCases('PyTorch softmax', torchCases('softmax'), 3, (testCase, twin) => {
  const { tensors, config } = testCase;
  const rows = (tensor: Tensor) => {
    const last = tensor.shape.length - 1;
    const axis = (config.axis as number) + ((config.axis as number) < 0 ? tensor.shape.length : 0);
    return flatten(swapAxes(tensor, axis, last), last);
  };
  const expected = nanRowsAsZeros(rows(need(tensors, 'out.output')));
  const got = toMatrix(rows(need(tensors, 'in.x'))).softmax();
  expectTable(got, expected, toleranceOf(testCase, twin));
  // Small weights too are right: e^x of an x near −100 that is rounded to float32 is off by 4e-6. Below the smallest
  // normal number, 2^−126, a library may give 0.
  expectRelative(got.data, expected.data, 1e-5, 2 ** -126, 'small weights');
});

/** PyTorch gives NaN for a row that is all −∞; here it is zeros. */
function nanRowsAsZeros({ rows, cols, data }: Table): Table {
  const isNaNRow = (i: number) => Array.from({ length: cols }, (_, c) => data[i - (i % cols) + c]).every(Number.isNaN);
  return { rows, cols, data: Array.from(data, (value, i) => (isNaNRow(i) ? 0 : value)) };
}

describeCases('PyTorch layer-norm', torchCases('layer-norm'), 2, (testCase, twin) => {
  const { tensors, config } = testCase;
  const tolerance = toleranceOf(testCase, twin);
  const input = need(tensors, 'in.x');
  const axis = input.shape.length - (config.normalized_shape as number[]).length;
  const x = toMatrix(flatten(input, axis));
  const expected = flatten(need(tensors, 'out.output'), axis);
  const row = (name: string) => {
    const tensor = tensors.get(name);
    return tensor && toMatrix(flatten(tensor, 0));
  };
  const [gain, bias, epsilon] = [row('param.weight'), row('param.bias'), config.eps as number];
  expect(gain !== undefined).toBe(config.affine);
  expectTable(layerNorm(x, gain, bias, { epsilon }), expected, tolerance, 'the function');
  if (epsilon === 1e-5) expectTable(layerNorm(x, gain, bias), expected, tolerance, 'the function, epsilon by default');
  const layer = new LayerNorm(x.cols, { epsilon });
  if (gain) layer.gain.data.set(gain.data);
  if (bias) layer.bias?.data.set(bias.data);
  expectTable(layer.forward(x), expected, tolerance, 'the module');
});

const ACTIVATIONS: Record<string, (x: Matrix) => Matrix> = {
  relu,
  silu,
  'gelu none': (x) => gelu(x),
  'gelu tanh': (x) => gelu(x, { approximate: 'tanh' }),
};

describeCases('PyTorch activation', torchCases('activation'), 2, (testCase, twin) => {
  const { tensors, config } = testCase;
  const name = config.function === 'gelu' ? `gelu ${config.approximate ?? 'none'}` : String(config.function);
  const activation = ACTIVATIONS[name];
  if (activation === undefined) throw new Error(`no test for the activation ${name}`);
  const got = activation(toMatrix(flatten(need(tensors, 'in.x'), 0)));
  expectTable(got, flatten(need(tensors, 'out.output'), 0), toleranceOf(testCase, twin));
});

describeCases('PyTorch embedding', torchCases('embedding'), 1, ({ tensors, config }) => {
  const weight = need(tensors, 'param.weight');
  const ids = need(tensors, 'in.ids');
  const paddingIndex = (config.padding_idx as number | null | undefined) ?? undefined;
  const layer = new Embedding(weight.shape[0], weight.shape[1], { paddingIndex });
  const table: StoredTensor = { dtype: 'F32', shape: weight.shape, data: Float32Array.from(weight.data) };
  layer.loadStateDict(new Map([['table', table]]));
  const output = need(tensors, 'out.output');
  const expected = flatten(output, output.shape.length - 1);
  expectTable(layer.forward(Array.from(ids.data)), expected, 0, 'all ids'); // rows are copied, so exact
  const length = ids.shape[ids.shape.length - 1];
  for (let n = 0; n * length < sizeOf(ids.shape); n++) {
    const rows = expected.data as Float64Array;
    const own = rows.subarray(n * length * expected.cols, (n + 1) * length * expected.cols);
    const got = layer.forward(Array.from(ids.data.subarray(n * length, (n + 1) * length)));
    expectTable(got, { rows: length, cols: expected.cols, data: own }, 0, `sequence ${n}`);
  }
});
