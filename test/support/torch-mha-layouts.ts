import type { TorchCase } from './conformance.js';
import { broadcast, entry, isFlags, need, sizeOf, swapAxes, type Tensor } from './tensor.js';

/**
 * Stored cases rewritten in the layouts and with the masks that none of them uses, so that their readers are tested, too: the
 * numbers and the expected values stay the same.
 */
export function restated(cases: readonly TorchCase[]): TorchCase[] {
  return cases.flatMap((testCase) => {
    const { tensors, config } = testCase;
    if (config.batched !== true || config.batch_first !== true) return [];
    const plain = config.add_bias_kv !== true && config.add_zero_attn !== true;
    const mask = tensors.get('in.attn_mask');
    const padding = tensors.get('in.key_padding_mask');
    const found = [sequenceFirst(testCase)];
    if (padding === undefined) found.push(unbatched(testCase));
    if (mask?.shape.length === 2) found.push(maskPerHead(testCase, mask));
    if (padding && isFlags(padding)) found.push(additivePadding(testCase, padding));
    if (mask && isFlags(mask) && plain) found.push(withNanRow(testCase, mask));
    return found;
  });
}

/** [rows, batch, width], as PyTorch has it by default. */
function sequenceFirst(testCase: TorchCase): TorchCase {
  const inputs = ['in.query', 'in.key', 'in.value'];
  const swapped = [...inputs, 'out.output', 'grad.output', ...inputs.map((name) => `grad.${name}`)];
  return restate(testCase, 'sequence first', { batch_first: false }, (name, tensor) =>
    swapped.includes(name) ? swapAxes(tensor, 0, 1) : tensor,
  );
}

/** The last sequence alone, without an axis for the batch; gradients of parameters are those of a whole batch. */
function unbatched(testCase: TorchCase): TorchCase {
  const inputs = ['in.query', 'in.key', 'in.value'];
  const own = [...inputs, 'out.output', 'out.weights', 'grad.output', ...inputs.map((name) => `grad.${name}`)];
  const [batch] = need(testCase.tensors, 'in.query').shape;
  const said = restate(testCase, 'unbatched', { batched: false }, (name, tensor) =>
    own.includes(name) ? entry(tensor, tensor.shape[0] - 1) : tensor,
  );
  if (batch === 1) return said;
  return { ...said, tensors: new Map([...said.tensors].filter(([name]) => !name.startsWith('grad.param.'))) };
}

/** The mask as [batch·heads, Lq, Lk]. */
function maskPerHead(testCase: TorchCase, mask: Tensor): TorchCase {
  const count = need(testCase.tensors, 'in.query').shape[0] * (testCase.config.num_heads as number);
  return restate(testCase, 'mask of three axes', {}, (name, tensor) =>
    name === 'in.attn_mask' ? broadcast(mask, [count, ...mask.shape]) : tensor,
  );
}

/** The padding as 0 and −∞, added. */
function additivePadding(testCase: TorchCase, padding: Tensor): TorchCase {
  const data = Float32Array.from(padding.data, (flag) => (flag === 0 ? 0 : Number.NEGATIVE_INFINITY));
  return restate(testCase, 'additive padding', {}, (name, tensor) =>
    name === 'in.key_padding_mask' ? { shape: padding.shape, data } : tensor,
  );
}

/** Query 0 may attend to nothing: NaN in the output and the weights of PyTorch, and in whatever gradient reads them. */
function withNanRow(testCase: TorchCase, mask: Tensor): TorchCase {
  return restate(testCase, 'a row of NaN', {}, (name, tensor) => {
    if (name === 'in.attn_mask')
      return { shape: mask.shape, data: tensor.data.map((flag, i) => (i < mask.shape[1] ? 1 : flag)) };
    if (name.startsWith('grad.') && name !== 'grad.output') {
      return { shape: tensor.shape, data: tensor.data.map(() => Number.NaN) };
    }
    if (name !== 'out.output' && name !== 'out.weights') return tensor;
    const [rows, cols] = tensor.shape.slice(-2);
    const isFirstRow = (i: number) => i % (rows * cols) < cols;
    return { shape: tensor.shape, data: tensor.data.map((value, i) => (isFirstRow(i) ? Number.NaN : value)) };
  });
}

function restate(
  testCase: TorchCase,
  how: string,
  config: Record<string, unknown>,
  change: (name: string, tensor: Tensor) => Tensor,
): TorchCase {
  const tensors = new Map<string, Tensor>();
  for (const [name, tensor] of testCase.tensors) {
    const changed = change(name, tensor);
    if (changed.data.length !== sizeOf(changed.shape)) throw new Error(`${testCase.name}: ${name} lost entries`);
    tensors.set(name, changed);
  }
  return { ...testCase, name: `${testCase.name}, ${how}`, config: { ...testCase.config, ...config }, tensors };
}
