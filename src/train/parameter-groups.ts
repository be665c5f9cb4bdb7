import { brandOf } from '../core/brands.js';
import { kindError, shapeError } from '../core/errors.js';
import { TRAINING_NAMES } from '../core/names-elsewhere.js';
import { requireOptions } from '../core/options.js';
import { isMatrix, type Matrix, requireMatrices } from '../matrix/matrix.js';

/** Parameters with options of their own, which come before those of the optimizer. */
export type ParameterGroup<Options> = Options & { parameters: readonly Matrix[] };

/** What an optimizer moves in one way. */
export interface Group<Options> {
  /** As errors name it. */
  where: string;
  /** Each with the name by which errors know it. */
  parameters: readonly { name: string; parameter: Matrix }[];
  /** Its own, and where it has none those of the optimizer. */
  options: Options;
  /** Whether `options.learningRate` is that of the optimizer. */
  sharesRate: boolean;
}

/**
 * A list of parameters is one group; so that a list of groups is told from it, each of them is an object.
 *
 * @throws ShapeError  if there is no parameter, or one stands there twice; TypeError for wrong kinds
 */
export function groupsOf<Options extends { learningRate?: number }>(
  where: string,
  given: readonly Matrix[] | readonly ParameterGroup<Options>[],
  options: Options,
  allowed: readonly string[],
): Group<Options>[] {
  const groups = hasGroups(given)
    ? given.map((group, i) => groupOf(where, i, group, options, allowed))
    : [{ where, parameters: named(where, 'parameters', given), options, sharesRate: true }];
  requireDistinct(
    where,
    groups.flatMap(({ parameters }) => parameters),
  );
  return groups;
}

function hasGroups<Options>(given: unknown): given is readonly ParameterGroup<Options>[] {
  return Array.isArray(given) && given.some((entry) => tagOf(entry) === 'Object' && !isMatrix(entry));
}

function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

function groupOf<Options extends { learningRate?: number }>(
  optimizer: string,
  place: number,
  group: ParameterGroup<Options>,
  options: Options,
  allowed: readonly string[],
): Group<Options> {
  if (isMatrix(group)) {
    throw kindError(optimizer, 'parameters must be matrices or groups, not both', `parameters[${place}] is a Matrix`);
  }
  const name = `groups[${place}]`;
  const where = `${optimizer}.groups.${place}`;
  requireOptions(where, group, [...allowed, 'parameters'], { elsewhere: [{ params: 'parameters' }, TRAINING_NAMES] });
  const { parameters, ...own } = group;
  const given = Object.entries(own).filter(([, value]) => value !== undefined);
  return {
    where,
    parameters: named(optimizer, `${name}.parameters`, parameters),
    options: { ...options, ...Object.fromEntries(given) },
    sharesRate: own.learningRate === undefined,
  };
}

function named(where: string, name: string, parameters: unknown): Group<unknown>['parameters'] {
  if (brandOf(parameters, 'Module') === true) {
    throw kindError(where, `${name} must be an array`, 'got a Module', 'its parameters() are one');
  }
  requireMatrices(where, name, parameters);
  return parameters.map((parameter, i) => ({ name: `${name}[${i}]`, parameter }));
}

/** A parameter that stands there twice would move twice a step. */
function requireDistinct(where: string, parameters: Group<unknown>['parameters']): void {
  if (parameters.length === 0) {
    throw shapeError(where, 'parameters must hold at least one matrix', 'got an empty list');
  }
  const names = new Map<Matrix, string>();
  for (const { name, parameter } of parameters) {
    const before = names.get(parameter);
    names.set(parameter, name);
    if (before === undefined) continue;
    const given = `${name} is ${before}`;
    throw shapeError(where, 'parameters must be distinct matrices', given, 'module.parameters() names each once');
  }
}
