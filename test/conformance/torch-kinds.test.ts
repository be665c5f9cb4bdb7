import { describe, expect, it } from 'vitest';
import { torchCases } from '../support/conformance.js';

/** Kinds of PyTorch cases and the test file that runs them. */
const RUN_BY: Record<string, string> = {
  sdpa: 'torch-sdpa.test.ts',
  mha: 'torch-mha.test.ts',
  rope: 'torch-functions.test.ts',
  softmax: 'torch-functions.test.ts',
  'layer-norm': 'torch-functions.test.ts',
  activation: 'torch-functions.test.ts',
  embedding: 'torch-functions.test.ts',
  'cross-entropy': 'torch-gradients.test.ts',
  'log-softmax': 'torch-gradients.test.ts',
  training: 'torch-training.test.ts',
  'encoder-layer': 'torch-encoder-layer.test.ts',
};

/** Kinds that no test runs, and why: what they need is no part of the library. */
const NOT_RUN: Record<string, string> = {};

const cases = torchCases() ?? [];
const run = cases.filter(({ kind }) => RUN_BY[kind] !== undefined);
const listed = cases.filter(({ kind }) => NOT_RUN[kind] !== undefined);

describe.skipIf(cases.length === 0)('PyTorch cases', () => {
  it(`${run.length} of ${cases.length} are run, ${listed.length} are listed as not run`, () => {
    expect(run.length).toBeGreaterThan(0);
    const unknown = cases.filter((testCase) => !run.includes(testCase) && !listed.includes(testCase));
    expect(unknown.map(({ name, kind }) => `${name} (${kind})`)).toEqual([]);
  });
  for (const [kind, reason] of Object.entries(NOT_RUN)) {
    const names = cases.filter((testCase) => testCase.kind === kind).map(({ name }) => name);
    it(`not run, ${reason}: ${names.join(', ') || `no case of kind ${kind}`}`, () => {
      expect(RUN_BY[kind]).toBeUndefined();
    });
  }
});
