import { crossEntropy, Matrix, Parameter, scaledDotProductAttention, valueAndGrad } from 'qkv';
import { expect } from 'vitest';
import { gatherRows } from '../../src/ops/embedding.js';
import { expectClose, expectTable } from '../support/compare.js';
import { describeCases, type TorchCase, torchCases } from '../support/conformance.js';
import { flatten, need, type Table } from '../support/tensor.js';
import { denseGradient, layoutFromTorch, optimizerFromTorch, type TrainingConfig } from '../support/torch-training.js';
import type { Twin } from '../support/twins.js';

const cases = torchCases('training');

/** Numbers as the twin stores them: a Parameter, or 64-bit ones for the oracle, whose tolerance no float32 could keep. */
function learnable({ rows, cols, data }: Table, twin: Twin): Matrix {
  if (twin.name !== 'float64') return new Parameter(rows, cols, Float32Array.from(data));
  return new Matrix(rows, cols, Float64Array.from(data) as unknown as Float32Array);
}

const mapOf = <T, U>(record: Record<string, T>, to: (value: T) => U): Record<string, U> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, to(value)]));

describeCases('PyTorch training: the update alone, from its gradients', cases, 3, (testCase, twin) => {
  const model = mapOf(layoutFromTorch(testCase, 'step0.param'), (table) => learnable(table, twin));
  const optimizer = optimizerFromTorch(testCase, Object.values(model));
  for (let n = 1; n <= steps(testCase); n++) {
    const upstream = mapOf(layoutFromTorch(testCase, `step${n}.grad`), (table) => learnable(table, twin));
    const { gradients } = valueAndGrad(() => {
      return Object.entries(model)
        .map(([name, parameter]) => parameter.multiply(upstream[name]).sum())
        .reduce((total, part) => total.add(part));
    });
    optimizer.step(gradients);
    compare(testCase, n, 'param', model, twin.tolerance);
  }
});

describeCases('PyTorch training: three steps', cases, 3, (testCase, twin) => {
  const model = mapOf(layoutFromTorch(testCase, 'step0.param'), (table) => learnable(table, twin));
  const optimizer = optimizerFromTorch(testCase, Object.values(model));
  const { tolerance } = twin;
  // A bias of the keys moves all scores of a row alike: its gradient is 0, and Adam's steps follow the sign of what rounding
  // leaves of that. In float64 that is far below epsilon; in float32 nothing can be expected of it.
  const isNoise = (name: string) => name === 'b_K' && twin.name !== 'float64' && testCase.config.optimizer !== 'SGD';
  const loss = lossOf(testCase, model, twin);
  for (let n = 1; n <= steps(testCase); n++) {
    const { value, gradients } = valueAndGrad(loss);
    expectClose([value], need(testCase.tensors, `step${n}.loss`).data, tolerance, `loss ${n}`);
    compare(
      testCase,
      n,
      'grad',
      mapOf(model, (parameter) => denseGradient(gradients, parameter)),
      tolerance,
    );
    optimizer.step(gradients);
    compare(testCase, n, 'param', model, tolerance, isNoise);
  }
});

function steps({ config }: TorchCase): number {
  expect(config.steps).toBeGreaterThan(1);
  return config.steps as number;
}

function compare(
  testCase: TorchCase,
  n: number,
  what: string,
  got: Record<string, Table>,
  tolerance: number,
  isLeftOut = (_: string) => false,
): void {
  for (const [name, expected] of Object.entries(layoutFromTorch(testCase, `step${n}.${what}`))) {
    if (isLeftOut(name)) continue;
    expectTable(got[name], expected, tolerance, `${what} of ${name}, step ${n}`);
  }
}

/** The model of the cases; its sequences are packed. */
function lossOf({ tensors, config }: TorchCase, model: Record<string, Matrix>, twin: Twin): () => Matrix {
  const { num_heads, label_smoothing } = config as TrainingConfig;
  const ids = need(tensors, 'in.ids');
  const [batch, length] = ids.shape;
  const cuSeqlens = Array.from({ length: batch + 1 }, (_, i) => i * length);
  const once = learnable(flatten(need(tensors, 'in.positional'), 1), twin);
  const positional = Matrix.concatRows(Array.from({ length: batch }, () => once));
  const { W_Q, W_K, W_V, W_O, b_Q, b_K, b_V, b_O, W, b } = model;
  return () => {
    const x = gatherRows('test', model.table, ids.data).add(positional);
    const [q, k, v] = [
      [W_Q, b_Q],
      [W_K, b_K],
      [W_V, b_V],
    ].map(([weight, bias]) => x.matmul(weight).add(bias));
    const heads = scaledDotProductAttention(q, k, v, { numHeads: num_heads, causal: true, cuSeqlens });
    const logits = heads.matmul(W_O).add(b_O).matmul(W).add(b);
    return crossEntropy(logits, need(tensors, 'in.target').data, { labelSmoothing: label_smoothing });
  };
}
