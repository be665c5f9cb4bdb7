import { describe, expect, it } from 'vitest';
import { ShapeError } from '../../../src/core/errors.js';
import type { StoredTensor } from '../../../src/core/stored-tensor.js';
import type { Matrix } from '../../../src/matrix/matrix.js';
import { MultiHeadAttention } from '../../../src/nn/attention/multi-head-attention.js';
import type { MultiHeadAttentionOptions } from '../../../src/nn/attention/multi-head-options.js';
import { CausalLM } from '../../../src/nn/models/causal-lm.js';
import type { CausalLMOptions } from '../../../src/nn/models/causal-lm-options.js';
import { TransformerBlock, type TransformerBlockOptions } from '../../../src/nn/models/transformer-block.js';
import { requireFit, unless } from '../../../src/nn/weights/fit.js';
import type { TorchLayout } from '../../../src/nn/weights/layouts/layouts.js';
import { filled, pictures } from '../../support/stored.js';

describe('requireFit', () => {
  const signs = { torch: 'a', llama: 'b', meta: 'c' } as const;
  const misfits = (wrong: Partial<Record<TorchLayout, boolean>>) => (layout: TorchLayout) => [
    ...unless(!wrong[layout], 'sinks', false, true),
    ...unless(layout !== 'torch' || !wrong.torch, 'norm', "'layer'", "'rms'"),
  ];

  it('says nothing of what fits', () => {
    expect(() => requireFit('f', signs, 'llama', misfits({ torch: true, meta: true }))).not.toThrow();
  });

  it('names the options, and a layout that has a place', () => {
    const text = "f: sinks must be false and norm must be 'layer' in layout 'torch': got true and 'rms'";
    expect(() => requireFit('f', signs, 'torch', misfits({ torch: true, llama: true }))).toThrow(
      new ShapeError(`${text} (layout: 'meta' has a place for it)`),
    );
    expect(() => requireFit('f', signs, 'torch', misfits({ torch: true, llama: true, meta: true }))).toThrow(
      new ShapeError(`${text} (layout 'llama' needs sinks false; layout 'meta' needs sinks false)`),
    );
  });
});

/** Every combination of one value for each name. */
function combinations<O extends object>(choices: { [K in keyof O]-?: readonly O[K][] }): O[] {
  return Object.entries<readonly unknown[]>(choices as never).reduce<O[]>(
    (all, [name, values]) => all.flatMap((one) => values.map((value) => ({ ...one, [name]: value }))),
    [{} as O],
  );
}

/** What an error says that options must be: [option, value] for the layout asked for. */
function demands(message: string): [string, string][] {
  const [, rule] = /toTorch: (.*) in layout '/.exec(message) as RegExpExecArray;
  return rule.split(' and ').flatMap((part) => {
    const found = /^(\w+) must be (.*)$/.exec(part);
    return found ? [[found[1], found[2]]] : []; // 'b_Q, b_K and b_V' has an "and" of its own
  });
}

/** The value that a demand names, as one writes it in the options. */
function demanded(option: string, text: string, options: { numHeads: number; dModel: number }): unknown {
  if (option === 'bias') return false;
  if (text.startsWith("'")) return /^'([\w-]+)'/.exec(text)?.[1];
  if (text === 'false') return false;
  if (option === 'numHeads') return 1; // a divisor of everything
  if (option === 'numKvHeads' || option === 'dK' || option === 'dV') return undefined; // numHeads and dModel / numHeads
  return options.dModel;
}

/**
 * Converts and comes back to the bit; or the error names options, and with these as it says the same call converts.
 *
 * @returns whether it converted as it was
 */
function checkConverts<O extends { numHeads: number; dModel: number }, M extends object>(
  options: O,
  layout: TorchLayout | undefined,
  build: (options: O) => M,
  back: (state: never, made: O) => { stateDict(): Map<string, StoredTensor> },
): boolean {
  const convert = (made: O) => {
    const model = build(made) as unknown as {
      parameters(): Matrix[];
      toTorch(o: object): never;
      stateDict(): Map<string, StoredTensor>;
    };
    const state = filled(model).toTorch({ layout });
    expect(pictures(back(state, made).stateDict())).toEqual(pictures(model.stateDict()));
  };
  let message = '';
  try {
    convert(options);
    return true;
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    message = error.message;
  }
  const named = demands(message);
  expect(named.length, message).toBeGreaterThan(0);
  const changed: Record<string, unknown> = { ...options };
  for (const [option, text] of named) changed[option] = demanded(option, text, options);
  if (named.some(([option]) => option === 'numHeads')) Object.assign(changed, { dK: undefined, dV: undefined });
  if (changed.norm === 'rms') changed.normBias = undefined; // it has none
  const { bias } = changed;
  if (changed.activation !== 'swiglu' && typeof bias === 'object' && 'b_3' in (bias as object)) {
    changed.bias = { ...(bias as object), b_3: false };
  }
  if (changed.positions === 'learned') changed.capacity = 6; // which the constructor asks for
  if (changed.positions !== 'rope') changed.rope = undefined;
  convert(changed as O);
  return false;
}

const HEADS = [
  {},
  { numKvHeads: 1 },
  { dK: 6 },
  { dV: 3 },
  { numHeads: 3, dK: 4, dV: 4 },
  { numHeads: 4, numKvHeads: 2, dK: 4, dV: 6 },
] as const;

describe('every layer that can be built converts, or names the options that would', () => {
  it('MultiHeadAttention', () => {
    const choices = combinations<Partial<MultiHeadAttentionOptions> & { heads: object }>({
      heads: HEADS,
      bias: [false, true, { b_O: true }, { b_Q: true, b_V: true }],
      kDim: [undefined, 5],
      vDim: [undefined, 3],
      sinks: [false, true],
      addBiasKeyValue: [false, true],
    } as never);
    for (const layout of [undefined, 'torch', 'gpt2', 'llama', 'meta'] as const) {
      let converted = 0;
      for (const { heads, ...options } of choices) {
        converted += Number(
          checkConverts(
            { dModel: 8, numHeads: 2, ...options, ...heads },
            layout,
            (o: MultiHeadAttentionOptions) => new MultiHeadAttention(o),
            (state, { numHeads }) => MultiHeadAttention.fromTorch(state, { numHeads, rope: false }),
          ),
        );
      }
      expect(converted, layout).toBeGreaterThan(1);
      expect(converted, layout).toBeLessThan(choices.length);
    }
  });

  it('TransformerBlock', () => {
    const choices = combinations<Partial<TransformerBlockOptions> & { heads: object }>({
      heads: [HEADS[0], HEADS[5]],
      bias: [false, true, { b_Q: true, b_2: true }],
      activation: ['relu', 'gelu', 'gelu-tanh', 'silu', 'swiglu'],
      norm: ['layer', 'rms'],
      normBias: [undefined, false],
      normPlacement: ['pre', 'post'],
      sinks: [false, true],
    } as never);
    for (const layout of [undefined, 'torch', 'gpt2', 'llama', 'meta'] as const) {
      for (const { heads, ...options } of choices) {
        checkConverts(
          { dModel: 8, numHeads: 2, dHidden: 6, ...options, ...heads },
          layout,
          (o: TransformerBlockOptions) => new TransformerBlock(o),
          (state, { numHeads, activation, normPlacement }) =>
            TransformerBlock.fromTorch(state, { numHeads, activation, normPlacement, rope: false }),
        );
      }
    }
  });

  it('CausalLM', () => {
    const choices = combinations<Partial<CausalLMOptions> & { heads: object }>({
      heads: [HEADS[0]], // those and sinks are the layers' concern
      bias: [true, { b_Q: true, b_1: true }],
      positions: ['rope', 'learned', 'sinusoidal'],
      activation: ['relu', 'gelu-tanh', 'swiglu'],
      norm: ['layer', 'rms'],
      normBias: [undefined, false],
      normPlacement: ['pre', 'post'],
      tieEmbeddings: [false, true],
    } as never);
    for (const layout of [undefined, 'gpt2', 'llama', 'meta'] as const) {
      for (const { heads, ...options } of choices) {
        const capacity = options.positions === 'learned' ? 6 : undefined;
        checkConverts(
          { dModel: 8, numHeads: 2, vocabularySize: 7, numLayers: 1, dHidden: 6, capacity, ...options, ...heads },
          layout,
          (o: CausalLMOptions) => new CausalLM(o),
          (state, { numHeads, activation, positions }) =>
            CausalLM.fromTorch(state, {
              numHeads,
              activation,
              rope: positions === 'learned' ? undefined : { interleaved: false },
            }),
        );
      }
    }
  });

  it('a model of nothing but sizes says what it would take', () => {
    const model = new CausalLM({ vocabularySize: 7, dModel: 8, numLayers: 1, numHeads: 2 });
    const text =
      "CausalLM.toTorch: activation must be 'swiglu' and norm must be 'rms' in layout 'llama': got 'relu' and 'layer' (layout 'gpt2' needs positions 'learned'; layout 'meta' needs activation 'swiglu', norm 'rms')";
    expect(() => model.toTorch()).toThrow(new ShapeError(text));
  });
});
