import { describe, expect, it } from 'vitest';
import { ShapeError } from '../../../src/core/errors.js';
import type { StoredTensor } from '../../../src/core/stored-tensor.js';
import { Parameter } from '../../../src/matrix/parameter.js';
import { MultiHeadAttention } from '../../../src/nn/attention/multi-head-attention.js';
import { CausalLM } from '../../../src/nn/models/causal-lm.js';
import { TransformerBlock } from '../../../src/nn/models/transformer-block.js';
import { Module } from '../../../src/nn/module.js';
import {
  inGroups,
  layoutOf,
  prefixHint,
  recognized,
  requireAllUnder,
  requireTensors,
  signsOf,
  tensorsUnder,
  writtenAs,
} from '../../../src/nn/weights/names.js';
import { bias, buffer, linear, vector } from '../../../src/nn/weights/tensors.js';
import { filled, pictures } from '../../support/stored.js';

type State = ReadonlyMap<string, StoredTensor>;

const map = (...names: string[]) =>
  new Map(names.map((name): [string, StoredTensor] => [name, { dtype: 'F32', shape: [0], data: new Float32Array() }]));
const renamed = (state: State, name: (name: string) => string) =>
  new Map([...state].map(([old, tensor]) => [name(old), tensor]));

/** What a call throws. */
function messageOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(ShapeError);
    return (error as Error).message;
  }
  throw new Error('nothing was thrown');
}

/** The prefix that an error recommends; undefined where it recommends none. */
function recommended(message: string): string | undefined {
  return /did you mean no prefix\?/.test(message) ? '' : /did you mean prefix: '(.*)'\?/.exec(message)?.[1];
}

describe('names', () => {
  const SIGNS = { torch: 'a.weight', llama: 'out.a.weight' } as const;
  const rule = 'f: the state must hold one of a.weight, out.a.weight';

  it('signsOf picks the sign of each', () => {
    expect(signsOf({ torch: { sign: 'a' }, meta: { sign: 'b' } })).toEqual({ torch: 'a', meta: 'b' });
  });

  it('tensorsUnder takes those of a prefix', () => {
    const state = map('x.c.weight', 'x.c.bias', 'y');
    expect([...tensorsUnder('f', state, 'x.c.').keys()]).toEqual(['weight', 'bias']);
    expect(tensorsUnder('f', state).size).toBe(3);
    expect(() => tensorsUnder('f', new Map([[1, 2]]))).toThrow('f: names must be strings: got 1');
    expect(() => tensorsUnder('f', { a: 1 })).toThrow('f: the state must be a Map of tensors: got an object');
    expect(() => tensorsUnder('f', state, 3)).toThrow('f: prefix must be a string: got 3');
  });

  it('requireAllUnder lists what lies elsewhere', () => {
    expect(() => requireAllUnder('f', map('a.b', 'a.c'), 'a.')).not.toThrow();
    const text = "f: every name of the state must begin with prefix 'a.': 2 of 3 do not: b, ab (so?)";
    expect(() => requireAllUnder('f', map('b', 'a.b', 'ab'), 'a.', () => 'so?')).toThrow(text);
  });

  it('layoutOf takes the layout whose sign is there', () => {
    expect(layoutOf('f', SIGNS, map('b', 'a.weight'))).toBe('torch');
    expect(layoutOf('f', SIGNS, map('out.a.weight'))).toBe('llama');
  });

  it.each([
    [[], `${rule}: its names are none (is prefix right?)`],
    [['b'], `${rule}: its names are b (is prefix right?)`],
    [['l.0.out.a.weight'], `${rule}: its names are l.0.out.a.weight (did you mean prefix: 'l.0.'?)`],
    [['l.0.a.weight'], `${rule}: its names are l.0.a.weight (did you mean prefix: 'l.0.'?)`],
    [['la.weight'], `${rule}: its names are la.weight (is prefix right?)`],
    [
      ['l.a.weight', 'l.c'],
      `${rule}: its names are l.a.weight, l.c (with prefix 'l.', the state must have exactly the names of its layout: missing none; unknown c)`,
    ],
    [Object.values(SIGNS), `${rule}: it holds those of torch and llama`],
  ])('recognized refuses %s', (names, text) => {
    const read = () => recognized('f', map(...names), '', SIGNS, (layout) => [linear(SIGNS[layout], 'A', 'in', 'out')]);
    expect(read).toThrow(new ShapeError(text));
  });

  it('a prefix is tried before it is recommended: those near the given one first, and not all of many', () => {
    const state = map('x.a.weight', 'y.a.weight', 'y.z.a.weight');
    const tried: string[] = [];
    const hint = (prefix: string, fits: string) =>
      prefixHint('f', state, prefix, ['a.weight'], (candidate) => {
        tried.push(candidate);
        if (candidate !== fits) throw new ShapeError(`f: no ${candidate}`);
      });
    expect(hint('y', 'y.z.')).toBe("did you mean prefix: 'y.z.'?");
    expect(tried).toEqual(['y.', 'y.z.']);
    expect(hint('', 'x.')).toBe("did you mean prefix: 'x.'?");
    expect(hint('y.', '')).toBe("with prefix 'y.z.', no y.z.");
    const broken = () => prefixHint('f', state, '', ['a.weight'], () => expect.fail('its own fault'));
    expect(broken).toThrow('its own fault');
    tried.length = 0;
    const many = map(...Array.from({ length: 1000 }, (_, i) => `${i}.a.weight`));
    prefixHint('f', many, '', ['a.weight'], (candidate) => {
      tried.push(candidate);
      throw new ShapeError('f: no');
    });
    expect(tried.length).toBeLessThan(10);
  });

  it('requireTensors wants every tensor but buffers, of a group all or none, and no other', () => {
    const layout = [linear('W', 'W', 'a', 'b'), bias('b', 'b', 'b'), vector('g', 'g', 'b', 'b'), buffer('steps')];
    const names = (...given: string[]) => requireTensors('f', layout, map(...given)).map(({ name }) => name);
    expect(names('W')).toEqual(['W', 'steps']);
    expect(names('W', 'b', 'g', 'steps')).toEqual(['W', 'b', 'g', 'steps']);
    const text = (missing: string, unknown: string) =>
      `f: the state must have exactly the names of its layout: missing ${missing}; unknown ${unknown}`;
    expect(() => names('W', 'b')).toThrow(text('g', 'none'));
    expect(() => names('g', 'b', 'c d')).toThrow(text('W', '"c d"'));
    expect(inGroups(layout, () => false).map(({ name }) => name)).toEqual(['W', 'steps']);
  });

  it('writtenAs gives what is asked for, or the usual', () => {
    expect(writtenAs('f', {}, SIGNS, 'llama')).toEqual({ layout: 'llama', prefix: '' });
    expect(writtenAs('f', { layout: 'torch', prefix: 'p' }, SIGNS, 'llama')).toEqual({ layout: 'torch', prefix: 'p' });
    expect(() => writtenAs('f', { layout: 'gpt2' }, SIGNS, 'llama')).toThrow(
      "f: layout must be 'torch' or 'llama': got \"gpt2\"",
    );
    expect(() => writtenAs('f', { prefix: 3 }, SIGNS, 'llama')).toThrow('f: prefix must be a string: got 3');
  });
});

const SIZES = { vocabularySize: 7, dModel: 8, numHeads: 2, numLayers: 2, dHidden: 6, seed: 1 } as const;
const SIZES_OF_BLOCK = { dModel: 8, numHeads: 2, dHidden: 6, seed: 1 } as const;
const GPT2 = { positions: 'learned', capacity: 6, activation: 'gelu-tanh', bias: true } as const;
const LLAMA = { activation: 'swiglu', norm: 'rms' } as const;
const WRAPPERS = [
  'module.',
  '_orig_mod.',
  'module._orig_mod.',
  'base_model.model.',
  'model.',
  'model.model.',
  'transformer.',
  'language_model.',
  'lm/',
];

describe.each([
  ['llama', LLAMA, 'model.', 'lm_head.weight'],
  ['gpt2', GPT2, 'transformer.', 'lm_head.weight'],
  ['meta', { ...LLAMA, rope: { interleaved: true } }, '', 'output.weight'],
] as const)('the prefix of a model of layout %s', (layout, style, base, head) => {
  const bare = (name: string) => (name.startsWith(base) ? name.slice(base.length) : name);
  /** Where the head stands: as written, inside what goes before the other names, and all without that. */
  const places: Record<string, (name: string) => string> = {
    'beside the base': (name) => name,
    'inside the base': (name) => base + bare(name),
    'without a base': bare,
  };

  describe.each([true, false])('tied: %s', (tieEmbeddings) => {
    const model = filled(new CausalLM({ ...SIZES, ...style, tieEmbeddings }));
    const state = model.toTorch({ layout });
    const load = (given: State, options: object = {}) => CausalLM.fromTorch(given, { numHeads: 2, ...options });

    it.each(Object.keys(places).flatMap((place) => ['', ...WRAPPERS].map((wrapper) => [place, wrapper])))(
      'head %s, under %s: loads whole, and every other prefix is refused with one that works',
      (place, wrapper) => {
        const given = renamed(state, (name) => wrapper + places[place](name));
        expect(pictures(load(given, { prefix: wrapper }).stateDict())).toEqual(pictures(model.stateDict()));
        const parts = `${wrapper}${base}`.split(/(?<=[./])/);
        const wrong = parts.map((_, i) => parts.slice(0, i + 1).join('')).filter((prefix) => prefix !== wrapper);
        for (const prefix of ['', 'nowhere.', ...wrong, `${wrapper}${base}layers.0.`]) {
          let message = '';
          try {
            const got = load(given, { prefix });
            // Where a prefix works, it gives the whole model.
            expect(pictures(got.stateDict()), prefix).toEqual(pictures(model.stateDict()));
          } catch (error) {
            if (!(error instanceof ShapeError)) throw error;
            message = error.message;
          }
          if (message === '') continue;
          const better = recommended(message);
          expect(better, `${prefix}: ${message}`).toBeDefined();
          expect(pictures(load(given, { prefix: better }).stateDict())).toEqual(pictures(model.stateDict()));
        }
      },
    );

    it('is refused where no prefix holds all of it', () => {
      if (base === '') return; // the names of Meta have no base that could be lost
      const astray = renamed(state, (name) => (name === head ? name : `backbone.${bare(name)}`));
      if (tieEmbeddings) {
        expect(load(astray, { prefix: 'backbone.' }).head).toBeUndefined();
        return;
      }
      const rule =
        /every name of the state must begin with (prefix 'backbone\.'|it): 1 of \d+ do not: lm_head\.weight(\)| \(give what belongs to the model a name under the prefix, and leave the rest out of the Map\))$/;
      for (const prefix of ['', 'backbone.']) {
        const message = messageOf(() => load(astray, { prefix }));
        expect(message).toMatch(rule);
        expect(recommended(message)).toBeUndefined();
      }
    });

    it('weights that lie elsewhere are listed, whatever they are called', () => {
      const more = renamed(state, (name) => `lm.${name}`);
      for (const name of ['score.weight', 'vision.layers.0.weight', 'lm_head.weight']) {
        more.set(name, { dtype: 'F32', shape: [1], data: new Float32Array(1) });
      }
      const message = messageOf(() => load(more, { prefix: 'lm.' }));
      expect(message).toContain(`3 of ${more.size} do not: score.weight, vision.layers.0.weight, lm_head.weight`);
    });
  });
});

describe('the prefix of a part of a larger model', () => {
  const states = {
    llama: new CausalLM({ ...SIZES, ...LLAMA, numLayers: 12 }).toTorch(),
    gpt2: new CausalLM({ ...SIZES, ...GPT2, numLayers: 12 }).toTorch(),
    meta: new CausalLM({ ...SIZES, ...LLAMA, rope: { interleaved: true }, numLayers: 12 }).toTorch({ layout: 'meta' }),
    torch: new Map(
      Array.from({ length: 12 }, (_, i) => [
        ...new TransformerBlock({ ...SIZES_OF_BLOCK, bias: true }).toTorch({ prefix: `encoder.layers.${i}.` }),
      ]).flat(),
    ),
  };
  const parts = { llama: 'self_attn.', gpt2: 'attn.', meta: 'attention.', torch: 'self_attn.' };

  it.each(['', ...WRAPPERS].flatMap((wrapper) => Object.keys(states).map((layout) => [layout, wrapper] as const)))(
    '%s under %s: is named, and the nearest where some is given',
    (layout, wrapper) => {
      const name = layout as keyof typeof states;
      const given = renamed(states[name], (old) => wrapper + old);
      const [first] = [...given.keys()].flatMap((old) => /^(.*\.)1\./.exec(old)?.[1] ?? []);
      const block = (prefix: string) => TransformerBlock.fromTorch(given, { numHeads: 2, prefix });
      const attention = (prefix: string) => MultiHeadAttention.fromTorch(given, { numHeads: 2, prefix });
      for (const [load, part] of [
        [block, ''],
        [attention, parts[name]],
      ] as const) {
        for (const [wrong, right] of [
          ['', `${first}0.${part}`],
          ['nowhere.', `${first}0.${part}`],
          [`${first}1`, `${first}1.${part}`],
          [`${first}11`, `${first}11.${part}`],
        ]) {
          const message = messageOf(() => load(wrong));
          expect(recommended(message), message).toBe(right);
          expect(load(right)).toBeInstanceOf(Module);
        }
      }
    },
  );
});

describe('ties', () => {
  const untied = filled(new CausalLM({ ...SIZES, ...LLAMA }));
  const tied = filled(new CausalLM({ ...SIZES, ...LLAMA, tieEmbeddings: true }));
  const load = (state: State, tieEmbeddings?: boolean) => CausalLM.fromTorch(state, { numHeads: 2, tieEmbeddings });
  const table = tied.toTorch().get('model.embed_tokens.weight') as StoredTensor;
  const twice = new Map([...tied.toTorch(), ['lm_head.weight', table] as const]);

  it('a state without a head is tied, and cannot be asked for one', () => {
    expect(load(tied.toTorch()).head).toBeUndefined();
    expect(load(tied.toTorch(), true).head).toBeUndefined();
    expect(() => load(tied.toTorch(), false)).toThrow('must hold lm_head.weight if tieEmbeddings is false');
  });

  it('a state with a head of its own is not, and cannot be asked to be', () => {
    for (const asked of [undefined, false]) expect(load(untied.toTorch(), asked).head).toBeDefined();
    expect(() => load(untied.toTorch(), true)).toThrow('must be absent or equal embed_tokens.weight to the bit');
  });

  it('a state that holds its table twice is tied unless asked otherwise, and keeps its bits', () => {
    for (const asked of [undefined, true]) {
      expect(load(twice, asked).head).toBeUndefined();
      expect(pictures(load(twice, asked).toTorch())).toEqual(pictures(tied.toTorch()));
    }
    expect(pictures(load(twice, false).toTorch())).toEqual(pictures(twice));
  });
});

describe('names that are no model’s', () => {
  const BOGUS = 200_000;
  const tensor: StoredTensor = { dtype: 'F32', shape: [1], data: new Float32Array(1) };
  const bogus = (name: (i: number) => string, more: State = new Map()) =>
    new Map([...more, ...Array.from({ length: BOGUS }, (_, i): [string, StoredTensor] => [name(i), tensor])]);
  const llama = new CausalLM({ ...SIZES, ...LLAMA }).toTorch();
  const gpt2 = new CausalLM({ ...SIZES, ...GPT2 }).toTorch();

  const shortly = (call: () => unknown) => {
    const message = messageOf(call);
    expect(message.length).toBeLessThan(1200);
    return message;
  };

  it.each([
    ['of anything', (i: number) => `x${i}`],
    ['of layers', (i: number) => `model.layers.${i}.x`],
    ['of layers with one weight each', (i: number) => `model.layers.${i}.self_attn.o_proj.weight`],
    ['of layers with six names each', (i: number) => `model.layers.${Math.floor(i / 6)}.x.${i % 6}`],
    ['of blocks', (i: number) => `transformer.h.${i}.attn.c_attn.weight`],
    ['of tables', (i: number) => `${i}.wte.weight`],
    ['of great length', (i: number) => `n${i}`.padEnd(200, 'x')],
  ])('are refused shortly: names %s', (kind, name) => {
    const state = bogus(name, kind === 'of blocks' ? gpt2 : llama);
    const message = shortly(() => CausalLM.fromTorch(state, { numHeads: 2 }));
    // Not a layer for each of them is built to count what is missing.
    expect(Number(/missing .* and (\d+) more; /.exec(message)?.[1] ?? 0)).toBeLessThan(BOGUS / 10);
    shortly(() => CausalLM.fromTorch(bogus(name), { numHeads: 2 }));
    shortly(() => TransformerBlock.fromTorch(state, { numHeads: 2 }));
    shortly(() => MultiHeadAttention.fromTorch(state, { numHeads: 2 }));
    shortly(() => new TransformerBlock(SIZES_OF_BLOCK).loadStateDict(state));
    shortly(() => new TransformerBlock(SIZES_OF_BLOCK).loadDropoutState(state));
  });

  it('one name of a million letters', () => {
    const state = new Map([...llama, ['x'.repeat(1e6), tensor] as const]);
    shortly(() => CausalLM.fromTorch(state, { numHeads: 2 }));
    shortly(() => CausalLM.fromTorch(state, { numHeads: 2, prefix: 'y'.repeat(1e6) }));
    shortly(() =>
      CausalLM.fromTorch(
        renamed(llama, (name) => 'y'.repeat(1e6) + name),
        { numHeads: 2 },
      ),
    );
    shortly(() => new TransformerBlock(SIZES_OF_BLOCK).loadStateDict(state));
  });

  it('a state that lacks many names says how many', () => {
    class Many extends Module {
      list = Array.from({ length: 1000 }, () => new Parameter(1, 1));
    }
    expect(messageOf(() => new Many().loadStateDict(new Map()))).toMatch(/missing list\.0, .*list\.7 and 992 more; /);
    const few = new Map([...llama].filter(([name]) => !/mlp/.test(name)));
    const message = messageOf(() => CausalLM.fromTorch(few, { numHeads: 2 }));
    expect(message).toMatch(/missing layers\.0\.mlp\.gate_proj\.weight, .*; unknown none/);
  });
});
