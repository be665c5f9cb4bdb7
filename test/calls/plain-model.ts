import {
  type Activation,
  type CausalLM,
  type FeedForward,
  LayerNorm,
  type RMSNorm,
  type TransformerBlock,
} from '../../src/index.js';
import type { Table } from '../support/tensor.js';
import { plainPacked } from './attention-uses.js';
import { type PlainOptions, plainAffine, plainNorm, plainRotary, rowsOf, stack, table } from './plain.js';

// The formulas of the Transformer in float64, with the parameters of a built module and options said by the case.

/** Options are those that do not show in the parameters. */
export interface PlainBlockOptions extends PlainOptions {
  activation?: Activation;
  epsilon?: number;
  normPlacement?: 'pre' | 'post';
  rope?: { base?: number; dim?: number; interleaved?: boolean };
  positions?: ArrayLike<number>;
  /** Where sequences start and end. */
  starts?: readonly number[];
}

const ACTIVATIONS: Record<Exclude<Activation, 'swiglu'>, (z: number) => number> = {
  relu: (z) => Math.max(z, 0),
  gelu: (z) => (z * (1 + erf(z / Math.SQRT2))) / 2,
  'gelu-tanh': (z) => (z * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3)))) / 2,
  silu: (z) => z / (1 + Math.exp(-z)),
};

/** The Taylor series: 40 terms are exact to 1e-15 up to 2. */
function erf(z: number): number {
  let [sum, power] = [0, z];
  for (let n = 0; n < 40; n++) {
    sum += power / (2 * n + 1);
    power *= (-z * z) / (n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

export function plainFeedForward(layer: FeedForward, x: Table, activation: Activation = 'relu'): Table {
  const { W_1, W_2, W_3, b_1, b_2, b_3 } = layer;
  const linear = plainAffine(x, W_1, b_1);
  const gate = W_3 && plainAffine(x, W_3, b_3);
  const f = ACTIVATIONS[activation === 'swiglu' ? 'silu' : activation];
  const hidden = table(x.rows, W_1.cols, (r, c) => {
    const at = r * W_1.cols + c;
    return f(linear.data[at]) * (gate?.data[at] ?? 1);
  });
  return plainAffine(hidden, W_2, b_2);
}

/** Attention of x to itself, as far as Q, K and V. */
export function plainProjections({ attention }: TransformerBlock, x: Table, o: PlainBlockOptions = {}) {
  const { W_Q, W_K, W_V, b_Q, b_K, b_V } = attention;
  const { starts = [0, x.rows], rope } = o;
  const { positions = starts.slice(1).flatMap((end, s) => Array.from({ length: end - starts[s] }, (_, i) => i)) } = o;
  const turn = (z: Table, numHeads: number) => (rope ? plainRotary(z, { ...rope, numHeads, positions }) : z);
  const [q, k] = [plainAffine(x, W_Q, b_Q), plainAffine(x, W_K, b_K)];
  const { numHeads, numKvHeads } = attention.heads;
  return [turn(q, numHeads), turn(k, numKvHeads), plainAffine(x, W_V, b_V)] as const;
}

export function plainBlock(block: TransformerBlock, x: Table, o: PlainBlockOptions = {}): Table {
  const { starts = [0, x.rows], normPlacement = 'pre' } = o;
  const attend = (z: Table) => {
    const { heads, W_O, b_O } = block.attention;
    const { numHeads, numKvHeads } = heads;
    const steps = plainPacked(...plainProjections(block, z, o), { ...o, numHeads, numKvHeads }, [starts, starts]);
    return plainAffine(steps.output, W_O, b_O);
  };
  const feed = (z: Table) => plainFeedForward(block.feedForward, z, o.activation);
  const norm = (z: Table, part: LayerNorm | RMSNorm) => normOf(z, part, o.epsilon);
  if (normPlacement === 'post') {
    const y = norm(plainSum(x, attend(x)), block.norm1);
    return norm(plainSum(y, feed(y)), block.norm2);
  }
  const y = plainSum(x, attend(norm(x, block.norm1)));
  return plainSum(y, feed(norm(y, block.norm2)));
}

/** Logits; `added` are the positions that go to the embeddings. */
export function plainCausalLM(
  model: CausalLM,
  ids: readonly number[],
  o: PlainBlockOptions = {},
  added?: Table,
): Table {
  const { table: rows } = model.embedding;
  const embedded = stack(ids.map((id) => rowsOf(rows, id, id + 1)));
  const causal: PlainBlockOptions = { mayAttend: (_, i, j) => j <= i, ...o };
  const x = added ? plainSum(embedded, added) : embedded;
  const out = normOf(
    model.layers.reduce((y, layer) => plainBlock(layer, y, causal), x),
    model.norm,
    o.epsilon,
  );
  return plainAffine(out, model.head?.W ?? table(rows.cols, rows.rows, (r, c) => rows.get(c, r)));
}

function normOf(x: Table, part: LayerNorm | RMSNorm, epsilon?: number): Table {
  const bias = 'bias' in part ? part.bias : undefined;
  return plainNorm(x, { isCentred: part instanceof LayerNorm, epsilon, gain: part.gain, bias });
}

function plainSum(a: Table, b: Table): Table {
  return table(a.rows, a.cols, (r, c) => a.data[r * a.cols + c] + b.data[r * b.cols + c]);
}
