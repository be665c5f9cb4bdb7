import { requireChoice } from '../core/errors.js';
import { type Random, xavierBound } from '../core/random.js';
import { Parameter } from '../matrix/parameter.js';
import { drawsParameters } from '../ops/seeds.js';

/** 'xavier': U(−b, b) with b = √(6 / (rows + cols)) per matrix, biases 0. 'torch': as PyTorch's layer of the same name. */
export type Init = 'xavier' | 'torch';

export function requireInit(where: string, init: unknown): asserts init is Init {
  requireChoice(where, 'init', init, ['xavier', 'torch']);
}

/** The bound b of U(−b, b) from which torch.nn.Linear draws its weight and bias. */
export function torchBound(inputs: number): number {
  return 1 / Math.sqrt(inputs);
}

/** (rows × cols), uniform in [−bound, bound). Default: the Xavier bound. */
export function uniformParameter(
  name: string,
  random: Random,
  rows: number,
  cols: number,
  bound: number = xavierBound(rows, cols),
): Parameter {
  return drawn(name, random, rows, cols, () => random.uniform(-bound, bound));
}

/** (rows × cols), normal with mean 0. */
export function normalParameter(name: string, random: Random, rows: number, cols: number, std: number): Parameter {
  return drawn(name, random, rows, cols, () => random.normal(0, std));
}

/** (rows × cols), all of one value. */
export function constantParameter(name: string, rows: number, cols: number, value: number): Parameter {
  const parameter = new Parameter(rows, cols);
  parameter.name = name;
  parameter.data.fill(value);
  return parameter;
}

/** (rows × cols) of draws; zeros if the generator belongs to a layer whose parameters will be loaded. */
function drawn(name: string, random: Random, rows: number, cols: number, draw: () => number): Parameter {
  const parameter = constantParameter(name, rows, cols, 0);
  const { data } = parameter;
  if (drawsParameters(random)) for (let i = 0; i < data.length; i++) data[i] = draw();
  return parameter;
}
