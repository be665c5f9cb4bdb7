import {
  type AttentionHookName,
  attentionWeights,
  Matrix,
  MultiHeadAttention,
  rotary,
  type StoredTensor,
  scaledDotProductAttention,
} from 'qkv';
import { expectTable } from '../support/compare.js';
import { describeCases, storiesFile } from '../support/conformance.js';
import type { TensorFile } from '../support/safetensors.js';
import { flatten, need, swapAxes, type Tensor, toMatrix } from '../support/tensor.js';

// A trained LLaMA-architecture model: attention, interleaved RoPE and grouped heads on real weights.

const HEADS = { numHeads: 8, numKvHeads: 4 };
// The expected values are themselves results of float32 arithmetic: a float64 run is up to 3e-6 away from them.
const TOLERANCE = 1e-5;

const model = storiesFile('model.safetensors');
const stored = new Map<string, StoredTensor>(
  Array.from(model?.tensors ?? [], ([name, { shape, data }]) => [name, { dtype: 'F32', shape, data }]),
);
const blocks = storiesFile('attention-blocks.safetensors');

describeCases('stories260K attention blocks', model && blocks && blockCases(model, blocks), 2, (block) => {
  const { x, W_Q, W_K, W_V, W_O } = block;
  const check = (name: string, got: Matrix) => expectTable(got, flatten(block.expected(name), 1), TOLERANCE, name);
  const q = rotary(x.matmul(W_Q), { numHeads: HEADS.numHeads, interleaved: true });
  const k = rotary(x.matmul(W_K), { numHeads: HEADS.numKvHeads, interleaved: true });
  const v = x.matmul(W_V);
  check('q_roped', q);
  check('k_roped', k);
  check('v', v);
  const context = scaledDotProductAttention(q, k, v, { ...HEADS, causal: true });
  check('context', context);
  check('out', context.matmul(W_O));
  const probs = Matrix.concatRows(attentionWeights(q, k, { ...HEADS, causal: true }));
  expectTable(probs, flatten(block.expected('probs'), 2), TOLERANCE, 'probs');

  const layer = MultiHeadAttention.fromTorch(stored, { numHeads: 8, prefix: `${block.name}.attention.` }).eval();
  check('out', layer.forward(x));
  const expectProbs = (probs: readonly Matrix[], label: string) =>
    expectTable(Matrix.concatRows(probs), flatten(block.expected('probs'), 2), TOLERANCE, label);
  expectProbs(layer.attentionWeights(x), 'probs of the layer');
  for (const chunk of [1, 5, x.rows]) {
    const cache = layer.createCache({ capacity: x.rows });
    const steps: Matrix[] = [];
    for (let r = 0; r < x.rows; r += chunk) steps.push(layer.step(x.sliceRows(r, Math.min(r + chunk, x.rows)), cache));
    check('out', Matrix.concatRows(steps));
  }

  // What hooks are shown is what the reference program had inside.
  const seen = new Map<AttentionHookName, Matrix[]>();
  for (const name of ['hook_rot_q', 'hook_rot_k', 'hook_v', 'hook_pattern', 'hook_z'] as const) {
    layer.addHook(name, (value) => {
      seen.set(name, [...(seen.get(name) ?? []), value]);
    });
  }
  layer.forward(x);
  const shown = (name: AttentionHookName) => seen.get(name) ?? [];
  check('q_roped', Matrix.concatColumns(shown('hook_rot_q')));
  check('k_roped', Matrix.concatColumns(shown('hook_rot_k')));
  check('v', Matrix.concatColumns(shown('hook_v')));
  check('context', Matrix.concatColumns(shown('hook_z')));
  expectProbs(shown('hook_pattern'), 'hook_pattern');
});

/** The layers that the file of expected values holds, with the model's weights as (in × out). */
function blockCases(weights: TensorFile, { tensors }: TensorFile) {
  const names = new Set(Array.from(tensors.keys(), (name) => name.split('.').slice(0, 2).join('.')));
  return Array.from(names, (name) => {
    const expected = (what: string): Tensor => need(tensors, `${name}.${what}`);
    const weight = (role: string) => {
      return toMatrix(flatten(swapAxes(need(weights.tensors, `${name}.attention.${role}.weight`), 0, 1), 1));
    };
    const [W_Q, W_K, W_V, W_O] = ['wq', 'wk', 'wv', 'wo'].map(weight);
    return { name, expected, x: toMatrix(flatten(expected('x_normed'), 1)), W_Q, W_K, W_V, W_O };
  });
}
