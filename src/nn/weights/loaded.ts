import type { StoredTensor } from '../../core/stored-tensor.js';
import { undrawn } from '../../ops/seeds.js';
import type { Module } from '../module.js';

/** A class built from options; void if its static method is called without it, as in `states.map(Layer.fromTorch)`. */
// biome-ignore lint/suspicious/noConfusingVoidType: the type of `this` in such a call
export type BuiltOf<Options, Layer> = (new (options: Options) => Layer) | void;

/**
 * A layer with weights, of the class on which `fromTorch` was called. Parameters that a subclass adds to those of its base are
 * not in the state and stay as its constructor made them.
 */
export function loaded<Options extends { seed?: number }, Layer extends Module>(
  Base: new (options: Options) => Module,
  Called: BuiltOf<Options, Layer>,
  { options, state }: { options: Options; state: ReadonlyMap<string, StoredTensor> },
): Layer {
  const isSubclass = typeof Called === 'function' && Called !== Base;
  const layer = isSubclass ? new Called(options) : new Base(undrawn(options));
  const added = isSubclass ? [...layer.namedParameters()].filter(([path]) => !state.has(path)) : [];
  const addedState = added.map(
    ([path, { rows, cols, data }]) => [path, { dtype: 'F32', shape: [rows, cols], data }] as const,
  );
  layer.loadStateDict(new Map([...state, ...addedState]));
  return layer as Layer;
}
