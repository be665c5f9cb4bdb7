import { describe, expect, it } from 'vitest';
import {
  CausalLM,
  customGradient,
  FeedForward,
  gradCheck,
  Matrix,
  Module,
  MultiHeadAttention,
  noGrad,
  SelfAttention,
  TransformerBlock,
  valueAndGrad,
} from '../../src/index.js';

const SIZES = { dModel: 4, numHeads: 2, dropout: 0.5, seed: 1 };
const x = Matrix.randomNormal(3, 4, { seed: 1 });
const rows = () => x.clone();

/** The calls of every dropout; each module has dropped once before, so that no count is 0. */
const counts = (module: Module) => [...module.dropoutState().values()].map(({ data }) => Number(data[1]));

function fail(): never {
  throw new Error('planned');
}

class Net extends Module {
  readonly parts = {
    first: new SelfAttention(SIZES),
    second: new FeedForward({ dModel: 4, dHidden: 6, dropout: 0.5 }),
  };
  readonly block = new TransformerBlock({ ...SIZES, dHidden: 6 });

  forward(z: Matrix): Matrix {
    const { first, second } = this.parts;
    return this.block.forward(second.forward(first.forward(z)));
  }
}

const MODEL = { ...SIZES, vocabularySize: 6, numLayers: 3 };
const HOOKS = ['hook_q', 'hook_k', 'hook_v', 'hook_attn_scores', 'hook_pattern', 'hook_z'] as const;

/** Fails in the last part of the net. */
function failingNet(): Net {
  const net = new Net();
  net.forward(x);
  net.block.attention.addHook('hook_z', fail);
  return net;
}

describe('a call that fails midway counts no dropout, in no part', () => {
  it.each(HOOKS)('of a model whose last layer has a %s that throws', async (hook) => {
    const model = new CausalLM(MODEL);
    model.forward([1, 2]);
    const before = counts(model);
    expect(before.length).toBeGreaterThan(9);
    const caches = model.createCaches({ capacity: 8 });
    const remove = model.layers[2].attention.addHook(hook, fail);
    expect(() => model.forward([1, 2])).toThrow('planned');
    expect(() => model.step([1, 2], caches)).toThrow('planned');
    for (const cached of [true, false]) {
      await expect(model.generate([1, 2], { cached }).next()).rejects.toThrow('planned');
    }
    expect(() => model.layers[2].forward(rows())).toThrow('planned');
    expect(counts(model)).toEqual(before);
    remove();
    model.forward([1, 2]);
    expect(counts(model)).toEqual(before.map((calls) => calls + 1));
  });

  it('of a model whose logits fail', () => {
    const model = new CausalLM({ ...MODEL, tieEmbeddings: true });
    const before = counts(model);
    const caches = model.createCaches({ capacity: 8 });
    model.norm.forward = fail;
    expect(() => model.forward([1, 2])).toThrow('planned');
    expect(() => model.step([1, 2], caches)).toThrow('planned');
    expect(counts(model)).toEqual(before);
  });

  it.each(['pre', 'post'] as const)("of a block, '%s', whose parts fail one after the other", (normPlacement) => {
    for (const part of ['norm1', 'attention', 'dropout1', 'norm2', 'feedForward', 'dropout2'] as const) {
      const block = new TransformerBlock({ ...SIZES, dHidden: 6, normPlacement });
      block.forward(x);
      const cache = block.createCache({ capacity: 8 });
      const before = counts(block);
      block[part].forward = fail;
      expect(() => block.forward(x)).toThrow('planned');
      if (part !== 'attention') expect(() => block.step(x, cache)).toThrow('planned');
      expect(counts(block), part).toEqual(before);
    }
  });

  it('of an attention whose hooks drop before one of them throws', () => {
    const low = new FeedForward({ dModel: 2, dHidden: 3, dropout: 0.5 });
    const attention = new MultiHeadAttention(SIZES);
    attention.addHook('hook_q', (q) => low.forward(q));
    const remove = attention.addHook('hook_pattern', () => fail());
    const cache = attention.createCache({ capacity: 8 });
    for (const call of [
      () => attention.forward(x),
      () => attention.attentionWeights(x),
      () => attention.step(x, cache),
    ]) {
      expect(call).toThrow('planned');
      expect([...counts(low), ...counts(attention)]).toEqual([0, 0]);
    }
    remove();
    attention.forward(x);
    expect([...counts(low), ...counts(attention)]).toEqual([2, 1]); // once a head
  });

  it('of whatever runs a function of the user', () => {
    const net = failingNet();
    const before = counts(net);
    const identity = customGradient(
      (z) => net.forward(z),
      (dOut) => [dOut],
    );
    const calls = [
      () => valueAndGrad(() => net.forward(x).sum()),
      () => noGrad(() => net.forward(x)),
      () => identity(x),
      () => gradCheck((z) => net.forward(z).sum(), [rows()]),
    ];
    for (const call of calls) expect(call).toThrow('planned');
    expect(counts(net)).toEqual(before);
  });

  it('of a function that goes well and gives what is refused', () => {
    const net = new Net();
    const give = (value: unknown) => () => {
      net.forward(x);
      return value as Matrix;
    };
    const badBackward = customGradient(
      (z) => z.sum(),
      () => [],
    );
    const calls = [
      () => valueAndGrad(give(new Matrix(2, 2))),
      () => valueAndGrad(give(undefined)),
      () => valueAndGrad(give(Promise.resolve(1))),
      () => valueAndGrad(() => badBackward(net.forward(x))),
      () => valueAndGrad(() => valueAndGrad(give(new Matrix(1, 1))) as never),
      () => noGrad(give(Promise.resolve(1))),
      () =>
        customGradient(
          (_: Matrix) => give(3)(),
          () => [],
        )(x),
      () => gradCheck((z) => net.forward(z).sum(), [rows()]), // two losses for the same input
    ];
    for (const call of calls) {
      expect(call).toThrow();
      expect(counts(net), String(call)).toEqual(counts(new Net()));
    }
  });

  it('but what went well before, outside, stays counted, and so does what an inner error left alone', () => {
    const [net, failing] = [new Net(), failingNet()];
    const before = counts(failing);
    valueAndGrad(() => {
      const y = net.forward(x);
      expect(() => failing.forward(x)).toThrow('planned'); // of the user's own class: its parts are calls of their own
      return y.sum();
    });
    expect(counts(net)).toEqual(counts(net).map(() => 1));
    const [first, second, ...inBlock] = counts(failing);
    expect([first, second]).toEqual([before[0] + 1, before[1] + 1]);
    expect(inBlock).toEqual(before.slice(2));
  });
});
