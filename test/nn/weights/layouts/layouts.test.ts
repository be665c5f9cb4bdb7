import { describe, expect, it } from 'vitest';
import { modelTensors } from '../../../../src/nn/weights/causal-lm.js';
import { ATTENTIONS, BLOCKS, MODELS, type TorchLayout } from '../../../../src/nn/weights/layouts/layouts.js';
import type { AttentionLayout, ModelLayout } from '../../../../src/nn/weights/tensors.js';

const names = Object.keys(ATTENTIONS) as TorchLayout[];
const models: Partial<Record<TorchLayout, ModelLayout>> = MODELS;

/** The tensors that a layout has for each kind of thing, by name. */
function tensorsOf(name: TorchLayout) {
  const ofAttention = ATTENTIONS[name].tensors(false);
  const ofBlock = BLOCKS[name].tensors(ofAttention);
  const ofModel = name === 'torch' ? undefined : modelTensors(name, 1);
  return { attention: ofAttention, block: ofBlock, model: ofModel };
}

describe('the layouts', () => {
  it('are these', () => {
    expect(names).toEqual(['torch', 'gpt2', 'llama', 'meta']);
  });

  it.each(names)('%s has no name and no part twice', (name) => {
    for (const tensors of Object.values(tensorsOf(name))) {
      const [stored, parts] = [tensors?.map((t) => t.name) ?? [], tensors?.flatMap((t) => t.parts) ?? []];
      expect(new Set(stored).size).toBe(stored.length);
      expect(new Set(parts).size).toBe(parts.length);
    }
  });

  it.each(names)('%s is recognized by a name of its own that is always there', (name) => {
    const own = tensorsOf(name);
    const model = models[name];
    const signs = { attention: ATTENTIONS[name].sign, block: BLOCKS[name].sign, model: model?.sign };
    for (const kind of ['attention', 'block', 'model'] as const) {
      const sign = signs[kind];
      if (sign === undefined) continue;
      expect(own[kind]?.find((tensor) => tensor.name === sign)).toMatchObject({ group: undefined });
      for (const other of names.filter((n) => n !== name)) {
        expect(tensorsOf(other)[kind]?.map((tensor) => tensor.name) ?? []).not.toContain(sign);
      }
    }
    if (model === undefined) return;
    const part = (stored: string) => own.model?.find((tensor) => tensor.name === stored)?.parts;
    expect([part(model.sign), part(model.head)]).toEqual([['embedding.table'], ['head.W']]);
    expect(model.positions && part(model.positions)).toEqual(model.positions && ['learnedPositions.table']);
  });

  it.each(names)('%s has a place for what it says', (name) => {
    const attention: AttentionLayout = ATTENTIONS[name];
    const block = BLOCKS[name];
    const parts = tensorsOf(name).block.flatMap((tensor) => tensor.parts);
    expect(parts.includes('attention.b_O')).toBe(attention.hasBiases ?? false);
    expect(parts.includes('feedForward.b_1')).toBe(attention.hasBiases ?? false);
    expect(parts.includes('attention.bias_K')).toBe(attention.hasContext ?? false);
    expect(attention.tensors(true).some(({ rows }) => rows === 'kDim')).toBe(attention.hasContext ?? false);
    expect(attention.tensors(false).some((tensor) => tensor.parts.length === 3)).toBe(attention.isStacked ?? false);
    expect(parts.includes('norm1.bias')).toBe(block.norm === 'layer');
    expect(parts.includes('feedForward.W_3')).toBe(block.activations.includes('swiglu'));
  });
});
