import type { StoredTensor } from '../../core/stored-tensor.js';
import { undrawn } from '../../ops/seeds.js';
import type { Module } from '../module.js';

/** A class that is built of options; void: its static method was called alone, as in `states.map(Layer.fromTorch)`. */
// biome-ignore lint/suspicious/noConfusingVoidType: the type of `this` in such a call
export type BuiltOf<Options, Layer> = (new (options: Options) => Layer) | void;

/**
 * A layer of the class that was asked for, with weights. What a subclass adds to the parameters of its base is not in the
 * state and stays as its constructor made it.
 */
export function loaded<Options extends { seed?: number }, Layer extends Module>(
  Base: new (options: Options) => Module,
  asked: BuiltOf<Options, Layer>,
  { options, state }: { options: Options; state: ReadonlyMap<string, StoredTensor> },
): Layer {
  const isOwn = typeof asked === 'function' && asked !== Base;
  const layer = isOwn ? new asked(options) : new Base(undrawn(options));
  const added = isOwn ? [...layer.namedParameters()].filter(([path]) => !state.has(path)) : [];
  const own = added.map(([path, { rows, cols, data }]) => [path, { dtype: 'F32', shape: [rows, cols], data }] as const);
  layer.loadStateDict(new Map([...state, ...own]));
  return layer as Layer;
}
