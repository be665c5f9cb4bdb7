import { pack, valueAndGrad } from 'qkv';
import { expect } from 'vitest';
import { expectTable } from '../support/compare.js';
import { describeCases, torchCases } from '../support/conformance.js';
import { sequences, stacked, type Table, toMatrix } from '../support/tensor.js';
import { batchFirst, blockFromTorch, blockTables } from '../support/torch-encoder-layer.js';
import { denseGradient } from '../support/torch-training.js';

describeCases('PyTorch TransformerEncoderLayer', torchCases('encoder-layer'), 4, (testCase, { tolerance }) => {
  const block = blockFromTorch(testCase);
  const tables = (name: string): Table[] => sequences(batchFirst(testCase, name));
  const packed = (name: string) => pack(tables(name).map(toMatrix));
  const expected = tables('out.output');
  tables('in.src').forEach((x, n) => {
    expectTable(block.forward(toMatrix(x)), expected[n], tolerance, `sequence ${n} alone`);
  });
  const { packed: x, cuSeqlens } = packed('in.src');
  const upstream = packed('grad.output').packed;
  const out = block.forward(x, { cuSeqlens });
  expectTable(out, stacked(expected), tolerance, 'packed');
  const { gradients } = valueAndGrad(() => block.forward(x, { cuSeqlens }).multiply(upstream).sum());
  expectTable(denseGradient(gradients, x), stacked(tables('grad.in.src')), tolerance, 'the gradient of src');
  const wanted = blockTables(testCase, 'grad.param');
  const parameters = block.namedParameters();
  expect([...parameters.keys()].sort()).toEqual([...wanted.keys()].sort());
  for (const [name, parameter] of parameters) {
    const got = denseGradient(gradients, parameter);
    expectTable(got, wanted.get(name) as Table, tolerance, `the gradient of ${name}`);
  }
});
