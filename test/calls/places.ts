import type { Place } from '../errors/attempt.js';
import { type ListedCallable, listedCallables } from './listed.js';

/** A place with what its type takes. */
export interface TypedPlace extends Place {
  /** `new Linear.bias`: as the lists of exceptions write it. */
  key: string;
  kinds: string[];
  /** undefined stands for absent. */
  optional: boolean;
}

export const CALLABLES: readonly ListedCallable[] = listedCallables();

/** Every parameter of the public surface, and every option. */
export const PLACES: readonly TypedPlace[] = CALLABLES.flatMap(({ name, parameters }) =>
  parameters.flatMap((parameter, index) => [
    { name, index, path: [], key: `${name}.${parameter.name}`, kinds: parameter.kinds, optional: parameter.optional },
    ...parameter.options.map((option) => ({
      name,
      index,
      path: option.name.split('.'),
      key: `${name}.${option.name}`,
      kinds: option.kinds,
      optional: true,
    })),
  ]),
);
