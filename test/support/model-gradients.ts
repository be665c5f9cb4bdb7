import type { Matrix, Module } from 'qkv';
import { it } from 'vitest';
import { differences, expectGradients } from './differences.js';
import type { Table } from './tensor.js';
import { forEachTwin } from './twins.js';

/** A module to check: f uses all its parameters and the inputs, and always gives the same. */
export interface DifferentiableModule {
  module: Module;
  inputs?: Matrix[];
  f: () => Matrix;
}

/** Declares a test on every twin: the gradient of every parameter and input, one entry at a time. */
export function describeModelGradients(title: string, build: () => DifferentiableModule): void {
  let expected: Table[] | undefined;
  forEachTwin((twin) => {
    it(title, () => {
      const { module, inputs = [], f } = build();
      const all = [...inputs, ...module.parameters()];
      for (const { data } of all) data.forEach((value, i) => (data[i] = onGrid(value)));
      const of = { inputs: () => all, f };
      expected ??= differences(of);
      expectGradients(of, expected, twin);
    });
  });
}

/** A multiple of 2^−14: steps from there are exact in float32, so that both sides are equally far away. */
function onGrid(value: number): number {
  return Math.round(value * 2 ** 14) / 2 ** 14;
}
