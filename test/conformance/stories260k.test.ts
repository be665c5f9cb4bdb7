import { attentionWeights, Matrix, MultiHeadAttention, rotary, scaledDotProductAttention } from 'qkv';
import { expectTable } from '../support/compare.js';
import { describeCases, storiesFile } from '../support/conformance.js';
import type { TensorFile } from '../support/safetensors.js';
import { flatten, need, swapAxes, type Tensor, toMatrix } from '../support/tensor.js';

// A trained LLaMA-architecture model: attention, interleaved RoPE and grouped heads on real weights.

const HEADS = { numHeads: 8, numKvHeads: 4 };
// The expected values are themselves results of float32 arithmetic: a float64 run is up to 3e-6 away from them.
const TOLERANCE = 1e-5;

const model = storiesFile('model.safetensors');
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

  const layer = new MultiHeadAttention({ dModel: x.cols, ...HEADS, causal: true, rope: { interleaved: true } });
  for (const [name, weight] of Object.entries({ W_Q, W_K, W_V, W_O }))
    layer.namedParameters().get(name)?.data.set(weight.data);
  check('out', layer.forward(x));
  expectTable(
    Matrix.concatRows(layer.attentionWeights(x)),
    flatten(block.expected('probs'), 2),
    TOLERANCE,
    'probs of the layer',
  );
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
