import { pack, type SparseGradient, TransformerBlock, type TransformerBlockOptions, valueAndGrad } from 'qkv';
import { expect } from 'vitest';
import { expectTable } from '../support/compare.js';
import { describeCases, type TorchCase, torchCases } from '../support/conformance.js';
import { batchMask, isBand, maskOptions, packedMaskOptions } from '../support/masks.js';
import { flatten, isFlags, need, sequences, swapAxes, type Table, type Tensor, toMatrix } from '../support/tensor.js';
import { projectionTensors } from '../support/torch-mha.js';

describeCases('PyTorch TransformerEncoderLayer', torchCases('encoder-layer'), 4, (testCase, { tolerance }) => {
  const { tensors } = testCase;
  const block = blockOf(testCase);
  const x = sequences(batchFirst(testCase, 'in.src')).map(toMatrix);
  const expected = sequences(batchFirst(testCase, 'out.output'));
  x.forEach((own, n) => {
    expectTable(block.forward(own), expected[n], tolerance, `sequence ${n} alone`);
  });
  const { packed, cuSeqlens } = pack(x);
  const upstream = pack(sequences(batchFirst(testCase, 'grad.output')).map(toMatrix)).packed;
  const { gradients } = valueAndGrad(() => {
    const out = block.forward(packed, { cuSeqlens });
    expectTable(out, stacked(expected), tolerance, 'packed');
    return out.multiply(upstream).sum();
  });
  const of = (value: typeof packed) => gradients.get(value) as Exclude<ReturnType<typeof gradients.get>, SparseGradient>;
  expectTable(of(packed) as Table, stacked(sequences(batchFirst(testCase, 'grad.in.src'))), tolerance, 'grad.in.src');
  const wanted = parameterTables(tensors, 'grad.param.');
  const parameters = block.namedParameters();
  expect([...wanted.keys()].sort()).toEqual([...parameters.keys()].sort());
  for (const [name, parameter] of parameters) {
    expectTable(of(parameter) as Table, wanted.get(name) as Table, tolerance, `gradient of ${name}`);
  }
});
