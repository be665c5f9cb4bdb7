import { expect, it } from 'vitest';
import { Matrix } from '../../src/matrix/matrix.js';
import { gelu, relu, silu } from '../../src/ops/activations.js';
import { attentionLogSumExp, attentionWeights, scaledDotProductAttention } from '../../src/ops/attention/attention.js';
import { gatherRows } from '../../src/ops/embedding.js';
import { layerNorm, rmsNorm } from '../../src/ops/normalization.js';
import { pack, unpack } from '../../src/ops/packing.js';
import { rotary } from '../../src/ops/rotary.js';
import { expectSame } from '../support/compare.js';
import { forEachTwin } from '../support/twins.js';

// Calls that change nothing, where returning the argument itself would be tempting; and every operation of several arguments.

const x = () => Matrix.from([[3, 1, 4, 1]]);
const row = () => Matrix.from([[1, 1, 1, 1]]);
const flags = () => new Uint8Array(1).fill(1);

/** What is computed of fresh operands, first of them an x; results are all matrices it gives. */
const calls: Record<string, [operands: () => Matrix[], call: (...operands: Matrix[]) => Matrix | Matrix[]]> = {
  'scale by 1': [() => [x()], (a) => a.scale(1)],
  'add 0': [() => [x(), new Matrix(1, 4)], (a, b) => a.add(b)],
  'multiply by 1': [() => [x(), row()], (a, b) => a.multiply(b)],
  'subtract itself': [() => [x()], (a) => a.subtract(a)],
  'matmul by itself': [() => [x()], (a) => a.matmul(a, { transposeB: true })],
  'transpose a row': [() => [x()], (a) => a.transpose()],
  'slice all rows': [() => [x()], (a) => a.sliceRows(0)],
  'slice all columns': [() => [x()], (a) => a.sliceColumns(0)],
  'concatRows of one': [() => [x()], (a) => Matrix.concatRows([a])],
  'concatColumns of one': [() => [x()], (a) => Matrix.concatColumns([a])],
  'sum of one': [() => [Matrix.from([[2]])], (a) => a.sum()],
  'mean of one': [() => [Matrix.from([[2]])], (a) => a.mean()],
  clone: [() => [x()], (a) => a.clone()],
  relu: [() => [x()], relu],
  gelu: [() => [x()], (a) => gelu(a)],
  silu: [() => [x()], silu],
  layerNorm: [() => [x(), row(), row()], (a, gain, bias) => layerNorm(a, gain, bias)],
  rmsNorm: [() => [x(), row()], (a, gain) => rmsNorm(a, gain)],
  'rotary of no columns': [() => [x()], (a) => rotary(a, { numHeads: 1, dim: 0 })],
  'rotary at position 0': [() => [x()], (a) => rotary(a, { numHeads: 2 })],
  'gather one row': [() => [x()], (a) => gatherRows('test', a, [0])],
  'pack one': [() => [x()], (a) => pack([a]).packed],
  'unpack one': [() => [x()], (a) => unpack(a, [0, 1])],
  'attention to one key': [
    () => [x(), x(), x(), new Matrix(1, 1), new Matrix(1, 1)],
    (q, k, v, bias, sinks) => scaledDotProductAttention(q, k, v, { bias, sinks, keyMask: flags(), causal: true }),
  ],
  'attention of x to x': [() => [x()], (a) => scaledDotProductAttention(a, a, a)],
  'log-sum-exp': [() => [x(), x()], (q, k) => attentionLogSumExp(q, k)],
  'masked scores': [() => [x(), x()], (q, k) => attentionWeights(q, k, { stage: 'masked' })],
};

forEachTwin(() => {
  it.each(Object.entries(calls))('%s writes no operand and shares no memory with one', (_, [operands, call]) => {
    const given = operands();
    const results = [call(...given)].flat();
    const untouched = () =>
      operands().forEach((operand, at) => {
        expectSame(given[at].data, operand.data, `operand ${at}`);
      });
    untouched();
    expect(results.length).toBeGreaterThan(0);
    for (const result of results) result.data.fill(Number.NaN);
    untouched();
  });
});
