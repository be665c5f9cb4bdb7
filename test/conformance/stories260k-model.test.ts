import { CausalLM, Matrix, type StoredTensor } from 'qkv';
import { expect } from 'vitest';
import { expectSame, expectTable } from '../support/compare.js';
import { describeCases, storiesCases, storiesFile } from '../support/conformance.js';
import { entry, flatten } from '../support/tensor.js';

// The whole trained model, as Meta stores LLaMA: CausalLM.fromTorch gives the logits of the reference program.

// Logits reach 20 after five layers of float32, in other orders of summation; the README finds a float64 run 2e-5 away.
const TOLERANCE = 2e-5;

const file = storiesFile('model.safetensors');
const stored = new Map<string, StoredTensor>(
  Array.from(file?.tensors ?? [], ([name, { shape, data }]) => [name, { dtype: 'F32', shape, data }]),
);

describeCases('stories260K', file && storiesCases(), 2, ({ tokens, argmax, greedyFrom, positions, logits }) => {
  const model = CausalLM.fromTorch(stored, { numHeads: 8 }).eval();
  const got = model.forward(tokens);
  positions.forEach((position, i) => {
    const expected = flatten(entry(logits, i), 0);
    expectTable(got.sliceRows(position, position + 1), expected, TOLERANCE, `logits after token ${position}`);
  });
  expect([...got.argmax()].slice(greedyFrom)).toEqual(argmax.slice(greedyFrom));
  const pair = model.forward([...tokens, ...tokens.slice(0, 5)], { cuSeqlens: [0, tokens.length, tokens.length + 5] });
  expectSame(pair.data, Matrix.concatRows([got, got.sliceRows(0, 5)]).data, 'packed');
  for (const chunk of [1, 17, tokens.length]) {
    const caches = model.createCaches({ capacity: tokens.length });
    const rows: Matrix[] = [];
    for (let from = 0; from < tokens.length; from += chunk) {
      rows.push(model.step(tokens.slice(from, from + chunk), caches));
    }
    expectSame(Matrix.concatRows(rows).data, got.data, `cached, ${chunk} at a time`);
  }
  const other = CausalLM.fromTorch(model.toTorch({ layout: 'llama' }), { numHeads: 8 }).eval(); // the other RoPE
  const likelier = other.forward(tokens).argmax();
  expect([...likelier].slice(greedyFrom)).toEqual(argmax.slice(greedyFrom));
});
