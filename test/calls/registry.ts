import { attention } from './attention.js';
import { caches } from './caches.js';
import type { Callables, GoodCall, OptionCase } from './callable.js';
import { gradients } from './gradients.js';
import { heatmaps } from './heatmaps.js';
import { layers } from './layers.js';
import { matrices } from './matrices.js';
import { models } from './models.js';
import { multiHead } from './multi-head.js';
import { torch } from './torch.js';
import { training } from './training.js';

/** Every public callable that has parameters, by the name that the list generated from the types gives it. */
const REGISTRY: Callables = {
  ...matrices,
  ...heatmaps,
  ...layers,
  ...attention,
  ...multiHead,
  ...caches,
  ...models,
  ...torch,
  ...gradients,
  ...training,
};

/** A call of each that works. */
export const GOOD_CALLS: Record<string, () => GoodCall> = Object.fromEntries(
  Object.entries(REGISTRY).map(([name, callable]) => [
    name,
    typeof callable === 'function' ? callable : callable.works,
  ]),
);

/** What their options do. */
export const OPTION_CASES: readonly OptionCase[] = Object.entries(REGISTRY).flatMap(([name, callable]) =>
  typeof callable === 'function' ? [] : [callable.options].flat().flatMap((options) => options(name)),
);
