import { MultiHeadAttention, readSafetensors, TransformerBlock, writeSafetensors } from 'qkv';
import { expect } from 'vitest';
import { describeCases, torchCases } from '../support/conformance.js';
import { pictures } from '../support/stored.js';
import { storedTensors } from '../support/torch-mha.js';

// PyTorch's own weights in, out again, into a file and back: name for name, bit for bit.

describeCases('PyTorch weights and back', torchCases('mha', 'encoder-layer'), 21, (testCase) => {
  const { num_heads, nhead, norm_first } = testCase.config as Record<string, never>;
  const state = storedTensors(testCase);
  const prefix = 'param.';
  const layer =
    testCase.kind === 'mha'
      ? MultiHeadAttention.fromTorch(state, { numHeads: num_heads, prefix })
      : TransformerBlock.fromTorch(state, { numHeads: nhead, normPlacement: norm_first ? 'pre' : 'post', prefix });
  const file = writeSafetensors(layer.toTorch({ prefix }));
  expect(pictures(readSafetensors(file))).toEqual(pictures(state));
});
