import { type AttentionOptions, attentionWeights, type Matrix, pack, scaledDotProductAttention, unpack } from 'qkv';
import { expectTable } from '../support/compare.js';
import { describeCases, type TorchCase, torchCases } from '../support/conformance.js';
import { type BatchMasks, batchMask, isBand, maskOptions, packedMaskOptions } from '../support/masks.js';
import { broadcast, entry, flatten, need, sequences, type Tensor, toMatrix } from '../support/tensor.js';

const cases = torchCases('sdpa');

describeCases('PyTorch scaled_dot_product_attention', cases, 8, (testCase, { tolerance }) => {
  checkSdpa(testCase, tolerance);
});

describeCases(
  'PyTorch scaled_dot_product_attention, a mask a head',
  cases && masksPerHead(cases),
  4,
  (testCase, twin) => {
    checkSdpa(testCase, twin.tolerance);
  },
);

/**
 * Stored cases have one mask for all heads. With the queries of every second head in reverse order, and its rows of
 * mask, output and weights too, each head has its own.
 */
function masksPerHead(stored: readonly TorchCase[]): TorchCase[] {
  const masked = stored.filter(({ tensors }) => tensors.has('in.mask_allowed'));
  return masked.map(({ name, kind, config, tensors }) => {
    const query = need(tensors, 'in.query');
    const mask = need(tensors, 'in.mask_allowed');
    const full = broadcast(mask, [...query.shape.slice(0, 3), mask.shape[mask.shape.length - 1]]);
    const changed = new Map(tensors)
      .set('in.query', oddHeadsReversed(query))
      .set('in.mask_allowed', oddHeadsReversed(full));
    for (const result of ['out.output', 'out.weights']) changed.set(result, oddHeadsReversed(need(tensors, result)));
    return { name: `${name}, odd heads reversed`, kind, config: { ...config, mask: 'per head' }, tensors: changed };
  });
}

/** [batch, heads, rows, columns] with the rows of every second head in reverse order. */
function oddHeadsReversed({ shape, data }: Tensor): Tensor {
  const [, heads, rows, cols] = shape;
  const out = data.slice();
  for (let i = 0; i < data.length; i++) {
    const row = Math.floor(i / cols);
    const head = Math.floor(row / rows);
    if ((head % heads) % 2 === 1) out[i] = data[(head * rows + (rows - 1 - (row % rows))) * cols + (i % cols)];
  }
  return { shape, data: out };
}

function checkSdpa({ tensors, config }: TorchCase, tolerance: number): void {
  const [q, k, v] = ['in.query', 'in.key', 'in.value'].map((name) => sequences(need(tensors, name)).map(toMatrix));
  const options: AttentionOptions = {
    numHeads: config.heads as number,
    numKvHeads: config.kv_heads as number,
    scale: config.scale as number,
    softcap: config.softcap as number,
  };
  const allowed = tensors.get('in.mask_allowed');
  const shape = [q.length, config.heads as number, q[0].rows, k[0].rows] as const;
  const masks: BatchMasks = allowed === undefined ? {} : { mask: batchMask(allowed, shape) };

  const check = (label: string, extra: AttentionOptions, ownMasks: BatchMasks) => {
    q.forEach((query, n) => {
      const own = { ...options, ...extra, ...maskOptions(ownMasks, n) };
      compare(`${label}, sequence ${n} alone`, tensors, n, tolerance, {
        out: scaledDotProductAttention(query, k[n], v[n], own),
        weights: attentionWeights(query, k[n], own),
      });
    });
    const [queries, keys, values] = [q, k, v].map((matrices) => pack(matrices));
    const offsets = { cuSeqlens: queries.cuSeqlens, cuSeqlensK: keys.cuSeqlens };
    const all = { ...options, ...extra, ...packedMaskOptions(ownMasks), ...offsets };
    const outs = unpack(scaledDotProductAttention(queries.packed, keys.packed, values.packed, all), queries.cuSeqlens);
    const weights = attentionWeights(queries.packed, keys.packed, all);
    outs.forEach((out, n) => {
      const own = weights.slice(n * shape[1], (n + 1) * shape[1]);
      compare(`${label}, sequence ${n} packed`, tensors, n, tolerance, { out, weights: own });
    });
  };
  check('by mask', {}, masks);
  if (masks.mask === undefined) return;
  for (const option of sameAsMask(config.mask, masks.mask)) check(`by ${JSON.stringify(option)}`, option, {});
}

function compare(
  label: string,
  tensors: TorchCase['tensors'],
  n: number,
  tolerance: number,
  got: { out: Matrix; weights: Matrix[] },
): void {
  expectTable(got.out, sequences(need(tensors, 'out.output'))[n], tolerance, `output ${label}`);
  const expected = entry(need(tensors, 'out.weights'), n);
  if (got.weights.length !== expected.shape[0]) throw new Error(`${label}: got weights of ${got.weights.length} heads`);
  got.weights.forEach((weights, h) => {
    expectTable(weights, flatten(entry(expected, h), 1), tolerance, `weights ${label}, head ${h}`);
  });
}

/** The options that must do what the case's mask does. */
function sameAsMask(kind: unknown, mask: Tensor): AttentionOptions[] {
  const [rows, keys] = mask.shape.slice(-2);
  const open = Number.POSITIVE_INFINITY;
  if (isBand(mask, keys - rows, open, 0) && kind === 'causal-bottom-right') return [{ causal: true }];
  if (isBand(mask, 0, open, 0) && kind === 'causal-top-left') return [{ causal: 'top-left' }];
  if (kind !== 'window') return [];
  // How far the mask reaches from the diagonal on either side; a query with nothing to attend to says nothing.
  let [left, right] = [0, 0];
  mask.data.forEach((flag, index) => {
    if (flag === 0) return;
    const distance = (index % keys) - (Math.floor(index / keys) % rows);
    [left, right] = [Math.max(left, -distance), Math.max(right, distance)];
  });
  if (!isBand(mask, 0, left, right)) return [];
  const options: AttentionOptions[] = [{ window: [left, right], causalOffset: 0 }];
  if (right === 0) options.push({ window: left, causal: true, causalOffset: 0 });
  if (right === 0) options.push({ window: [left, open], causal: true, causalOffset: 0 }); // causal closes the right
  return options;
}
