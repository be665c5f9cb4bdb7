import { describe, expect, it } from 'vitest';
import { valueAndGrad } from '../../../src/autograd/value-and-grad.js';
import { Matrix } from '../../../src/matrix/matrix.js';
import {
  type AttentionHookName,
  type AttentionHookPoint,
  AttentionHooks,
} from '../../../src/nn/attention/attention-hooks.js';
import { MultiHeadAttention } from '../../../src/nn/attention/multi-head-attention.js';
import type {
  MultiHeadAttentionForwardOptions,
  MultiHeadAttentionOptions,
} from '../../../src/nn/attention/multi-head-options.js';
import { gradCheck } from '../../../src/train/gradient-check.js';
import { expectClose, expectSame } from '../../support/compare.js';
import { forEachTwin } from '../../support/twins.js';

const ROWS = 7;
const x = Matrix.randomNormal(ROWS, 12, { seed: 1 });
const SIZES = { dModel: 12, numHeads: 4, bias: true, seed: 3 };
const PLACES: readonly AttentionHookName[] = [
  'hook_q',
  'hook_k',
  'hook_v',
  'hook_attn_scores',
  'hook_pattern',
  'hook_z',
];
const packed = { cuSeqlens: [0, 3, 3, ROWS] };

/** Layers and calls, one of every option. */
const LAYERS: Record<string, [Partial<MultiHeadAttentionOptions>, MultiHeadAttentionForwardOptions?]> = {
  plain: [{}],
  causal: [{ causal: true }],
  'grouped heads of other widths': [{ numKvHeads: 2, dK: 4, dV: 5 }],
  'rope, packed': [{ dK: 4, rope: true, causal: true }, packed],
  window: [{ window: [2, 1] }],
  'alibi, packed': [{ alibi: true }, packed],
  softcap: [{ softcap: 0.7 }],
  sinks: [{ sinks: true, causal: true }],
  'extra keys': [{ addZeroAttention: true, addBiasKeyValue: true }, packed],
  'mask and keyMask': [
    {},
    {
      mask: Uint8Array.from({ length: ROWS * ROWS }, (_, i) => i % 3 && 1),
      keyMask: Uint8Array.of(1, 1, 0, 1, 1, 1, 1),
    },
  ],
  'bias a head': [{}, { bias: Matrix.randomNormal(4 * ROWS, ROWS, { seed: 5 }) }],
  'nothing to attend to': [{}, { keyMask: new Uint8Array(ROWS) }],
  context: [
    { kDim: 5, vDim: 3 },
    { context: { key: Matrix.randomNormal(4, 5, { seed: 6 }), value: Matrix.randomNormal(4, 3, { seed: 7 }) } },
  ],
  dropout: [{ dropout: 0.4, numKvHeads: 2, sinks: true }, packed],
};

function layer(options: Partial<MultiHeadAttentionOptions> = {}): MultiHeadAttention {
  const built = new MultiHeadAttention({ ...SIZES, ...options });
  for (const p of [built.b_Q, built.b_K, built.b_V, built.b_O, built.sinks, built.bias_K, built.bias_V]) {
    p?.data.set(Matrix.randomNormal(p.rows, p.cols, { seed: 9 }).data);
  }
  return built;
}

/** The output and the gradients of x, of every parameter and of the bias of a call. */
function all(attention: MultiHeadAttention, options: MultiHeadAttentionForwardOptions = {}): Float32Array[] {
  const weights = Matrix.randomNormal(ROWS, 12, { seed: 11 });
  let out: Matrix | undefined;
  const { gradients } = valueAndGrad(() => {
    out = attention.forward(x, options);
    return out.multiply(weights).sum();
  });
  const inputs = [x, ...attention.parameters(), ...(options.bias ? [options.bias] : [])];
  return [out as Matrix, ...inputs.map((input) => gradients.get(input) as Matrix)].map((m) => m?.data ?? []);
}

forEachTwin(({ tolerance }) => {
  for (const [name, [options, call]] of Object.entries(LAYERS)) {
    it(`looking changes no bit: ${name}`, () => {
      const [plain, watched] = [layer(options), layer(options)];
      const seen = new Set<string>();
      const places = [...PLACES, ...(options.rope ? (['hook_rot_q', 'hook_rot_k'] as const) : [])];
      for (const place of places) {
        watched.addHook(place, (value, point) => {
          expect(value.data.length).toBeGreaterThanOrEqual(0);
          seen.add(`${point.name} ${point.head}`);
          return undefined;
        });
      }
      const [got, expected] = [all(watched, call), all(plain, call)];
      got.forEach((data, i) => expectSame(data, expected[i], `output, x or parameter ${i}`));
      const kv = options.numKvHeads ?? 4;
      expect(seen.size).toBe(places.reduce((sum, place) => sum + (/[kv]$/.test(place) ? kv : 4), 0));
      expect(watched.dropoutCalls).toBe(plain.dropoutCalls);
    });

    it.each([...PLACES, 'hook_rot_q', 'hook_rot_k'] as const)(
      `a copy in place of %s is the same layer: ${name}`,
      (place) => {
        if (place.startsWith('hook_rot') && !options.rope) return;
        const [plain, patched] = [layer(options), layer(options)];
        patched.addHook(place, (value) => value.scale(1));
        const [got, expected] = [all(patched, call), all(plain, call)];
        got.forEach((data, i) => expectClose(data, expected[i], 4 * tolerance, `output, x or parameter ${i}`));
      },
    );
  }

  it('only the heads that are replaced leave the fused attention', () => {
    const [plain, patched] = [layer(), layer()];
    patched.addHook('hook_pattern', (pattern) => pattern.scale(0.5), { heads: [2] });
    const seen: Matrix[] = [];
    for (const one of [plain, patched]) one.addHook('hook_z', (z) => void seen.push(z) as undefined);
    plain.forward(x, packed);
    patched.forward(x, packed);
    for (const head of [0, 1, 3]) expectSame(seen[4 + head].data, seen[head].data, `head ${head}`);
    expectClose(seen[6].data, seen[2].scale(0.5).data, tolerance);
  });

  it('one sequence of a packed batch can be replaced alone', () => {
    const [plain, patched] = [layer(), layer()];
    patched.addHook('hook_pattern', (pattern, { sequence }) => (sequence === 2 ? pattern.scale(0) : undefined));
    const [got, expected] = [patched.forward(x, packed), plain.forward(x, packed)];
    expectSame(got.sliceRows(0, 3).data, expected.sliceRows(0, 3).data);
    const b_O = patched.b_O as Matrix;
    for (let r = 3; r < ROWS; r++) expectClose(got.row(r), b_O.data, tolerance);
  });

  it('attentionWeights shows what hooks make of it', () => {
    const attention = layer({ addBiasKeyValue: true, addZeroAttention: true, sinks: true });
    const before = attention.attentionWeights(x, packed);
    const scores = attention.attentionWeights(x, { ...packed, stage: 'masked' });
    const shown: Matrix[] = [];
    attention.addHook('hook_attn_scores', (value) => void shown.push(value) as undefined);
    const removePattern = attention.addHook('hook_pattern', (value) => void shown.push(value) as undefined);
    attention.forward(x, packed);
    shown.forEach((value, i) => {
      const unit = i >> 1; // scores and weights of every unit
      expectClose(value.data, (i % 2 === 0 ? scores : before)[unit].data, tolerance, `unit ${unit}`);
    });
    expect(shown).toHaveLength(2 * 12);
    removePattern();
    attention.addHook('hook_attn_scores', (value) => value.scale(2), { heads: [1] });
    const after = attention.attentionWeights(x, { ...packed, heads: [1, 0] });
    expectSame(after[1].data, before[0].data);
    expect([...after[0].data]).not.toEqual([...before[1].data]);
    const doubled = attention.attentionWeights(x, { ...packed, stage: 'masked', heads: [1] });
    expectClose(doubled[0].data, scores[1].scale(2).data, tolerance);
    const rows = attention.attentionWeights(x, { ...packed, rows: [6, 1, 5], heads: [1] });
    expectSame(rows[2].data, [...after[4].row(3), ...after[4].row(2)]);
    expectSame(rows[0].data, after[0].row(1));
    expect([rows[1].rows, rows[1].cols]).toEqual([0, 2]);
    const fixed = layer();
    const pattern = x.sliceColumns(0, ROWS);
    fixed.addHook('hook_pattern', () => pattern);
    for (const w of fixed.attentionWeights(x)) {
      expect(w).not.toBe(pattern); // a copy: results never share memory with what was given
      expectSame(w.data, pattern.data);
    }
    const soft = attention.attentionWeights(x, { stage: 'softcapped' });
    expectSame(soft[1].data, layerLike(attention).attentionWeights(x, { stage: 'softcapped' })[1].data);
    attention.addHook('hook_q', (q) => q.scale(0));
    expectSame(
      attention.attentionWeights(x, { stage: 'scaledScores', heads: [0] })[0].data.map(Math.abs),
      new Float32Array(7 * 9),
    );
  });

  it('steps of decoding are forward with hooks', () => {
    const options = { causal: true, dK: 4, rope: true, numKvHeads: 2, addZeroAttention: true, seed: 4 };
    const attention = layer(options).eval();
    attention.addHook('hook_rot_k', (k) => k.scale(0.7), { heads: [1] });
    attention.addHook('hook_attn_scores', (scores) => scores.scale(1.5), { heads: [0, 3] });
    attention.addHook('hook_pattern', (pattern) => pattern.scale(0.8), { heads: [3] });
    attention.addHook('hook_z', (z) => z.scale(-1), { heads: [2] });
    const expected = attention.forward(x);
    for (const chunk of [1, 3, ROWS]) {
      const cache = attention.createCache({ capacity: ROWS });
      const rows: Matrix[] = [];
      for (let r = 0; r < ROWS; r += chunk) rows.push(attention.step(x.sliceRows(r, Math.min(r + chunk, ROWS)), cache));
      expectClose(Matrix.concatRows(rows).data, expected.data, tolerance, `${chunk} at a time`);
    }
    const points: AttentionHookPoint[] = [];
    attention.addHook('hook_pattern', (_, point) => void points.push(point) as undefined, { heads: [0] });
    const caches = [attention.createCache({ capacity: 4 }), attention.createCache({ capacity: 4 })];
    attention.step(x.sliceRows(0, 4), caches);
    expect(points).toEqual([0, 1].map((sequence) => ({ name: 'hook_pattern', head: 0, sequence })));
  });

  it('a ring shows its keys in their order', () => {
    const attention = layer({ causal: true }).eval();
    const cache = attention.createCache({ capacity: 4, mode: 'ring', sinkTokens: 1 });
    attention.step(x.sliceRows(0, 5), cache);
    let pattern: Matrix | undefined;
    attention.addHook('hook_pattern', (value) => {
      pattern = value;
      return value.scale(1);
    });
    const out = attention.step(x.sliceRows(5, 6), cache);
    const kept = [0, 3, 4, 5]; // in memory 0, 4, 5, 3
    const mask = Uint8Array.from({ length: ROWS * ROWS }, (_, i) => Number(kept.includes(i % ROWS)));
    const whole = layer({ causal: false }).eval();
    const [, , , expected] = whole.attentionWeights(x, { mask });
    expectClose(
      (pattern as Matrix).data,
      kept.map((j) => expected.get(5, j)),
      tolerance,
    );
    expectClose(out.data, whole.forward(x, { mask }).row(5), tolerance);
  });
});

/** A layer with the same weights and no hooks. */
function layerLike(attention: MultiHeadAttention): MultiHeadAttention {
  const copy = new MultiHeadAttention({ ...SIZES, addBiasKeyValue: true, addZeroAttention: true, sinks: true });
  copy.loadStateDict(attention.stateDict());
  return copy;
}

/** Two heads of one column, every matrix the identity: head h attends with column h of x, scale 1. */
function transparent(): MultiHeadAttention {
  const attention = new MultiHeadAttention({ dModel: 2, numHeads: 2 });
  for (const W of attention.parameters()) W.data.set([1, 0, 0, 1]);
  return attention;
}
const eye = Matrix.from([
  [1, 0],
  [0, 1],
]);
const E = Math.E;

// x = I: the scores of head 0 are [[1, 0], [0, 0]], of head 1 [[0, 0], [0, 1]]; its values [1, 0]ᵀ and [0, 1]ᵀ.
forEachTwin(({ tolerance }) => {
  const run = (attention: MultiHeadAttention, ...more: Matrix[]) => {
    let out: Matrix | undefined;
    const { gradients } = valueAndGrad(() => {
      out = attention.forward(eye);
      return out.sum();
    });
    const of = (m: Matrix) => [...((gradients.get(m) as Matrix | undefined)?.data ?? [])];
    return {
      out: (out as Matrix).data,
      W_Q: of(attention.W_Q),
      W_V: of(attention.W_V),
      W_O: of(attention.W_O),
      more: more.map(of),
    };
  };

  it('golden: the weights of head 0 replaced', () => {
    const attention = transparent();
    const pattern = Matrix.from([
      [0.25, 0.75],
      [1, 0],
    ]);
    attention.addHook('hook_pattern', () => pattern, { heads: [0] });
    const { out, W_Q, W_V, more } = run(attention, pattern);
    expectClose(out, [0.25, 0.5, 1, E / (E + 1)], tolerance);
    expectClose(W_V, [1.25, 0.5 + 1 / (E + 1), 0.75, 0.5 + E / (E + 1)], tolerance); // xᵀ·Aᵀ·1: the columns sums of A
    expectSame([W_Q[0], W_Q[2]], [0, 0]); // head 0 no longer depends on its queries
    expectClose(more[0], [1, 0, 1, 0], tolerance); // ∂/∂A_ij = v_j
  });

  it('golden: the scores of head 0 replaced', () => {
    const attention = transparent();
    const delta = Matrix.from([
      [0, Math.log(3)],
      [0, 0],
    ]);
    attention.addHook('hook_attn_scores', (scores) => scores.add(delta), { heads: [0] });
    const { out, W_Q, more } = run(attention, delta);
    const P = E / (E + Math.exp(delta.data[1])); // e^{ln 3}, but for the rounding of ln 3
    expectClose(out, [P, 0.5, 0.5, E / (E + 1)], tolerance);
    expectClose(more[0], [P * (1 - P), -P * (1 - P), 0.25, -0.25], tolerance); // P ∘ (dP − P·dP), dP = [1, 0]
    expectClose([W_Q[0], W_Q[2]], [P * (1 - P), 0.25], tolerance); // dQ = dZ·K, K = [1, 0]ᵀ
  });

  it('golden: scores of −∞ mask a key, a row of them every key', () => {
    const attention = transparent();
    const scores = Matrix.from([
      [0, Math.log(3)],
      [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
    ]);
    attention.addHook('hook_attn_scores', () => scores, { heads: [0] });
    const { out, more } = run(attention, scores);
    const P = 1 / (1 + Math.exp(scores.data[1]));
    expectClose(out, [P, 0.5, 0, E / (E + 1)], tolerance);
    expectClose(more[0], [P * (1 - P), -P * (1 - P), 0, 0], tolerance);
  });

  it('golden: head 1 ablated', () => {
    const attention = transparent();
    attention.addHook('hook_z', (z) => z.scale(0), { heads: [1] });
    const { out, W_V, W_O } = run(attention);
    expectClose(out, [E / (E + 1), 0, 0.5, 0], tolerance);
    expectSame([W_V[1], W_V[3], W_O[2], W_O[3]], [0, 0, 0, 0]);
    expectClose(W_O.slice(0, 2), [E / (E + 1) + 0.5, E / (E + 1) + 0.5], tolerance);
  });
});

forEachTwin(() => {
  it('hooks with a matrix of their own pass gradCheck', () => {
    const attention = layer({ dK: 4, numKvHeads: 2, rope: true, causal: true, sinks: true, softcap: 2 });
    const gate = Matrix.randomUniform(ROWS, ROWS, { seed: 3, low: 0.5, high: 1 });
    const weights = Matrix.randomNormal(ROWS, 12, { seed: 4 });
    attention.addHook('hook_rot_q', (q) => q.multiply(q), { heads: [1] });
    attention.addHook('hook_attn_scores', (scores) => scores.add(gate), { heads: [0, 1] });
    attention.addHook('hook_pattern', (pattern) => pattern.multiply(gate), { heads: [1, 2] });
    attention.addHook('hook_z', (z) => z.tanh(), { heads: [2] });
    const inputs = [...attention.parameters(), x, gate];
    const report = gradCheck(() => attention.forward(x).multiply(weights).sum(), inputs);
    expect(report.ok, JSON.stringify(report)).toBe(true);
  });
});

forEachTwin(({ tolerance }) => {
  it('a value that is given back is on the way of the gradients', () => {
    const attention = layer({ sinks: true });
    const of: Matrix[] = [];
    for (const name of ['hook_q', 'hook_attn_scores', 'hook_pattern', 'hook_z'] as const) {
      attention.addHook(name, (value) => {
        of.push(value);
        return value;
      });
    }
    const { gradients } = valueAndGrad(() => attention.forward(x).sum(), { of });
    expect(of).toHaveLength(16);
    for (const value of of) expect(gradients.get(value), `${value.rows}×${value.cols}`).toBeInstanceOf(Matrix);
    const dPattern = gradients.get(of[5]) as Matrix; // scores and pattern of head 0 follow
    const dScores = gradients.get(of[4]) as Matrix;
    const P = of[5];
    const D = Array.from({ length: ROWS }, (_, i) => P.row(i).reduce((sum, p, j) => sum + p * dPattern.get(i, j), 0));
    const expected = P.data.map((p, at) => p * (dPattern.data[at] - D[Math.floor(at / ROWS)]));
    expectClose(dScores.data, expected, tolerance);
  });

  it('a head that is replaced may have overflowed: no gradient sees it', () => {
    const attention = new MultiHeadAttention({ ...SIZES, numKvHeads: 2, dK: 4 });
    for (const W of [attention.W_Q, attention.W_K, attention.W_V]) {
      for (let r = 0; r < W.rows; r++) W.row(r).fill(3e38, W.cols / 2); // heads 2 and 3, which are kv head 1
    }
    attention.addHook('hook_pattern', () => Matrix.identity(ROWS), { heads: [2, 3] });
    attention.addHook('hook_z', () => new Matrix(ROWS, 4), { heads: [2, 3] });
    const found = all(attention, { bias: Matrix.randomNormal(ROWS, ROWS, { seed: 5 }) }); // which all heads share
    expect(found.flatMap((data) => [...data]).every(Number.isFinite)).toBe(true);
    expect(found.every(({ length }) => length > 0)).toBe(true);
  });
});

describe('activation patching', () => {
  it('puts what a clean run had into a corrupted one', () => {
    const attention = layer().eval();
    const corrupted = x.scale(-0.5);
    const clean: Matrix[] = [];
    const remove = attention.addHook('hook_z', (z) => void clean.push(z) as undefined);
    const wanted = attention.forward(x);
    remove();
    attention.addHook('hook_z', (_, { head }) => clean[head]);
    expectSame(attention.forward(corrupted).data, wanted.data);
  });
});

describe('hooks of a layer', () => {
  it('run in their order, and each sees what the one before gave', () => {
    const attention = layer();
    const seen: number[] = [];
    attention.addHook('hook_q', (q) => q.scale(0), { heads: [0] });
    attention.addHook('hook_q', (q) => void seen.push(Math.abs(q.data[0])) as undefined);
    attention.forward(x);
    expect(seen.map((value) => value === 0)).toEqual([true, false, false, false]);
  });

  it('go when they are taken away, and only they', () => {
    const attention = layer();
    const plain = attention.eval().forward(x);
    const hook = () => x.scale(0).sliceColumns(0, 3);
    const [first, second] = [attention.addHook('hook_z', hook), attention.addHook('hook_z', hook)];
    first();
    first();
    expect([...attention.forward(x).data]).not.toEqual([...plain.data]);
    second();
    expectSame(attention.forward(x).data, plain.data);
  });

  it('may add and take away hooks while they run: the next value sees it', () => {
    const attention = layer();
    let calls = 0;
    const remove = attention.addHook('hook_k', () => {
      remove();
      attention.addHook('hook_k', () => void calls++ as undefined);
      return undefined;
    });
    attention.forward(x);
    expect(calls).toBe(3); // of 4 heads
    attention.forward(x);
    expect(calls).toBe(7);
    const other = layer();
    const late: number[] = [];
    other.addHook('hook_q', (_, { head }) => {
      if (head === 1) other.addHook('hook_q', (__, point) => void late.push(point.head) as undefined);
      return undefined;
    });
    other.forward(x);
    expect(late).toEqual([2, 3]);
  });

  it('are no part of the state', () => {
    const attention = layer();
    const before = [...attention.stateDict().keys()];
    attention.addHook('hook_z', () => undefined);
    expect([...attention.stateDict().keys()]).toEqual(before);
    expect(Object.keys(attention)).not.toContain('hooks');
  });

  it('that throw leave the layer and its cache as they were', () => {
    const attention = layer({ dropout: 0.5, causal: true });
    const cache = attention.createCache({ capacity: 5 });
    attention.step(x.sliceRows(0, 2), cache);
    const calls = attention.dropoutCalls;
    const remove = attention.addHook('hook_z', () => {
      throw new Error('enough');
    });
    expect(() => attention.forward(x)).toThrow('enough');
    expect(() => attention.step(x.sliceRows(2, 4), cache)).toThrow('enough');
    expect([attention.dropoutCalls, cache.length]).toEqual([calls, 2]);
    const ring = attention.createCache({ capacity: 2, mode: 'ring' });
    const enough = (rows: number) => expect(() => attention.step(x.sliceRows(0, rows), ring)).toThrow('enough');
    enough(3);
    expect(ring.position).toBe(0);
    remove();
    attention.step(x.sliceRows(0, 1), ring);
    const again = attention.addHook('hook_z', () => {
      throw new Error('enough');
    });
    enough(1);
    expect(ring.position).toBe(1);
    enough(3); // overwrites
    expect(ring.position).toBe(1);
    again();
    expect(attention.step(x.sliceRows(2, 4), cache).rows).toBe(2);
  });

  it('of keys and values have the heads of keys and values', () => {
    const attention = layer({ numKvHeads: 2, dK: 4, rope: true });
    for (const name of ['hook_k', 'hook_v', 'hook_rot_k'] as const) {
      const add = () => attention.addHook(name, () => undefined, { heads: [2] });
      expect(add).toThrow('MultiHeadAttention.addHook: heads[0] must be an integer from 0 to 1: got 2');
    }
    expect(attention.addHook('hook_rot_q', () => undefined, { heads: [3] })).toBeTypeOf('function');
  });

  it.each([
    [() => x, 'got 7×12'],
    [() => 3, 'got 3'],
    [() => null, 'got null'],
    [async () => x, 'got a Promise'],
  ])('must give a Matrix of the same shape or nothing (%#)', (hook, given) => {
    const attention = layer();
    attention.addHook('hook_pattern', hook as never, { heads: [1] });
    const rule = 'MultiHeadAttention: hook_pattern of head 1 must give a 7×7 Matrix, as it got, or nothing';
    expect(() => attention.forward(x)).toThrow(`${rule}: ${given}`);
  });

  it('AttentionHooks asks nobody where nobody is', () => {
    const hooks = new AttentionHooks();
    expect(hooks.wants('hook_q')).toBe(false);
    expect(hooks.runColumns('f', 'hook_q', x, 4)).toBe(x);
  });
});
