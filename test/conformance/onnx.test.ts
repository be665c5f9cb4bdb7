import { layerNorm, Matrix, rmsNorm, rotary } from 'qkv';
import { describe, expect, it } from 'vitest';
import type { Floats } from '../../src/kernels/contract.js';
import { expectClose, expectTable } from '../support/compare.js';
import { describeCases, type OnnxCase, onnxCases } from '../support/conformance.js';
import { kernels } from '../support/kernels.js';
import { checkOnnxAttention } from '../support/onnx-attention.js';
import { broadcast, flatten, need, sequence, swapAxes, type Tensor, toMatrix } from '../support/tensor.js';
import { forEachTwin } from '../support/twins.js';

// Limits of |got − expected| / (1 + |expected|) that the data's README calls fair: the expected values are rounded to
// float32 or to half precision themselves, so that the float64 kernels cannot be held to more.
const FLOAT_TOLERANCE = 1e-5;
const HALF_TOLERANCE = 2e-3;

const RUNNERS: Record<string, (testCase: OnnxCase, tolerance: number) => void> = {
  Attention: checkOnnxAttention,
  RotaryEmbedding: checkRotary,
  Softmax: checkSoftmax,
  LayerNormalization: checkLayerNorm,
  RMSNormalization: checkRmsNorm,
};

describeCases('ONNX', onnxCases(), 66, (testCase) => {
  const run = RUNNERS[testCase.op];
  if (run === undefined) throw new Error(`no test for the operator ${testCase.op}`);
  run(testCase, testCase.half ? HALF_TOLERANCE : FLOAT_TOLERANCE);
});

/** The tables of one RotaryEmbedding case for sequence n: rows × dim/2 of cosines and sines, and the rows' positions. */
function rotaryTables({ inputs }: OnnxCase, n: number, rows: number) {
  const ids = inputs.get('position_ids');
  const [cosCache, sinCache] = [need(inputs, 'cos_cache'), need(inputs, 'sin_cache')];
  const half = cosCache.shape[cosCache.shape.length - 1];
  const positions = Array.from({ length: rows }, (_, s) => (ids ? ids.data[n * rows + s] : s));
  const tableRows = ids ? positions : positions.map((s) => n * rows + s);
  const gather = ({ data }: Tensor): Floats => {
    const out = kernels().allocate(rows * half);
    for (let i = 0; i < out.length; i++) out[i] = data[tableRows[Math.floor(i / half)] * half + (i % half)];
    return out;
  };
  return { half, positions, cos: gather(cosCache), sin: gather(sinCache) };
}

/**
 * The kernel takes the tables as they are. The public function computes its own, so it is checked where the tables are
 * those of position · 10000^(−2p/dim); returns whether they were.
 */
function checkRotary(testCase: OnnxCase, tolerance: number): boolean {
  const { inputs, outputs, attributes } = testCase;
  const x = need(inputs, 'X');
  const numHeads = x.shape.length === 4 ? x.shape[1] : (attributes.num_heads ?? 1);
  const interleaved = attributes.interleaved === 1;
  let angles = true;
  for (let n = 0; n < x.shape[0]; n++) {
    const matrix = toMatrix(sequence(x, n));
    const expected = sequence(need(outputs, 'Y'), n);
    const headDim = matrix.cols / numHeads;
    const { half, positions, cos, sin } = rotaryTables(testCase, n, matrix.rows);
    const dim = 2 * half;
    const problem = { x: matrix.data, rows: matrix.rows, numHeads, headDim, dim, interleaved, cos, sin };
    const got = { rows: matrix.rows, cols: matrix.cols, data: kernels().rotary(problem) };
    expectTable(got, expected, tolerance, `Y, sequence ${n}, by tables`);
    if (!areAngles(cos, sin, positions, dim)) {
      angles = false;
      continue;
    }
    const turned = rotary(matrix, { numHeads, dim, interleaved, positions });
    expectTable(turned, expected, tolerance, `Y, sequence ${n}, by positions`);
  }
  return angles;
}

function areAngles(cos: Floats, sin: Floats, positions: readonly number[], dim: number): boolean {
  const half = dim / 2;
  return positions.every((position, r) =>
    Array.from({ length: half }, (_, p) => position * 10000 ** ((-2 * p) / dim)).every(
      (angle, p) =>
        Math.abs(cos[r * half + p] - Math.cos(angle)) < 1e-6 && Math.abs(sin[r * half + p] - Math.sin(angle)) < 1e-6,
    ),
  );
}

describe('ONNX RotaryEmbedding with tables of angles', () => {
  forEachTwin(() => {
    for (const interleaved of [0, 1]) {
      it(`goes through the public function too, interleaved ${interleaved}`, () => {
        const shape = [2, 1, 3, 4]; // the second sequence at other positions; both heads of width 4
        const data = Float32Array.from({ length: 24 }, (_, i) => Math.cos(i * i));
        const ids = Int32Array.of(0, 1, 2, 7, 5, 0);
        const table = (f: (angle: number) => number): Tensor => ({
          shape: [8, 2],
          data: Float32Array.from({ length: 16 }, (_, i) => f(Math.floor(i / 2) * (i % 2 === 0 ? 1 : 0.01))),
        });
        const y = data.map((value, i) => {
          const [row, c] = [Math.floor(i / 4), i % 4];
          const pair = interleaved ? c >> 1 : c & 1;
          const isFirst = interleaved ? c % 2 === 0 : c < 2;
          const other = data[i + (interleaved ? 1 : 2) * (isFirst ? 1 : -1)];
          const angle = ids[row] * (pair === 0 ? 1 : 0.01);
          return value * Math.cos(angle) + other * Math.sin(angle) * (isFirst ? -1 : 1);
        });
        const inputs = new Map<string, Tensor>([
          ['X', { shape, data }],
          ['cos_cache', table(Math.cos)],
          ['sin_cache', table(Math.sin)],
          ['position_ids', { shape: [2, 3], data: ids }],
        ]);
        const outputs = new Map<string, Tensor>([['Y', { shape, data: y }]]);
        const made = {
          name: 'made here',
          op: 'RotaryEmbedding',
          attributes: { interleaved },
          inputs,
          outputs,
          half: false,
        };
        expect(checkRotary(made, FLOAT_TOLERANCE)).toBe(true);
      });
    }
  });
});

function checkSoftmax({ inputs, outputs, attributes }: OnnxCase, tolerance: number): void {
  const x = need(inputs, 'input');
  const last = x.shape.length - 1;
  const axis = axisOf(attributes.axis ?? -1, x);
  const rows = flatten(swapAxes(x, axis, last), last);
  expectTable(
    toMatrix(rows).softmax(),
    flatten(swapAxes(need(outputs, 'output'), axis, last), last),
    tolerance,
    'output',
  );
}

/** X with the axes from `axis` on as columns, gain and bias as wide as they. */
function readNorm({ inputs, outputs, attributes }: OnnxCase, gainName: string) {
  const { axis = -1, epsilon = 1e-5 } = attributes;
  const input = need(inputs, 'X');
  const cut = axisOf(axis, input);
  const x = toMatrix(flatten(input, cut));
  const row = (tensor: Tensor | undefined) =>
    tensor && new Matrix(1, x.cols, Float32Array.from(broadcast(tensor, input.shape.slice(cut)).data));
  const [gain, bias] = [row(inputs.get(gainName)), row(inputs.get('B'))];
  return { x, gain, bias, epsilon, expected: flatten(need(outputs, 'Y'), cut) };
}

function checkLayerNorm(testCase: OnnxCase, tolerance: number): void {
  const { x, gain, bias, epsilon, expected } = readNorm(testCase, 'Scale');
  expectTable(layerNorm(x, gain, bias, { epsilon }), expected, tolerance, 'Y');
  const problem = { x: x.data, rows: x.rows, cols: x.cols, gain: gain?.data, bias: bias?.data, epsilon };
  const { out, mean, inverseStd } = kernels().layerNorm(problem);
  expectClose(out, expected.data, tolerance, 'Y of the kernel');
  const { outputs } = testCase;
  if (outputs.has('Mean')) expectClose(mean, need(outputs, 'Mean').data, tolerance, 'Mean');
  if (outputs.has('InvStdDev')) expectClose(inverseStd, need(outputs, 'InvStdDev').data, tolerance, 'InvStdDev');
}

function checkRmsNorm(testCase: OnnxCase, tolerance: number): void {
  const { x, gain, epsilon, expected } = readNorm(testCase, 'scale');
  expectTable(rmsNorm(x, gain, { epsilon }), expected, tolerance, 'Y');
}

function axisOf(axis: number, { shape }: Tensor): number {
  return axis < 0 ? axis + shape.length : axis;
}
