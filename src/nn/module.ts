import { requireBoolean, requireInteger } from '../core/errors.js';
import { requireState, type StateEntry, type StoredTensor } from '../core/stored-tensor.js';
import { Parameter } from '../parameter.js';

/**
 * The base of every layer: finds parameters in the properties of a module, of its modules and of arrays of modules.
 *
 * @example
 * class Block extends Module {
 *   attention = new SelfAttention({ dModel: 64 });
 *   norms = [new LayerNorm(64), new LayerNorm(64)];
 *   forward(x: Matrix): Matrix { return this.norms[1].forward(x.add(this.attention.forward(this.norms[0].forward(x)))); }
 * }
 * new Block().namedParameters(); // attention.W_Q, attention.W_K, attention.W_V, norms.0.gain, …
 */
export class Module {
  /** True (as built, and after train()): dropout drops. */
  training = true;

  /** Every parameter under its dotted path, in the order of the properties; one that is used twice appears once. */
  namedParameters(): Map<string, Parameter> {
    const found = new Map<string, Parameter>();
    const seen = new Set<object>();
    for (const [path, value] of walk(this, '')) {
      if (!(value instanceof Parameter) || seen.has(value)) continue;
      seen.add(value);
      found.set(path, value);
    }
    return found;
  }

  /** The same, without names. */
  parameters(): Parameter[] {
    return [...this.namedParameters().values()];
  }

  /** A copy of every parameter, as tensors of shape [rows, cols]. */
  stateDict(): Map<string, StoredTensor> {
    const state = new Map<string, StoredTensor>();
    for (const [path, { rows, cols, data }] of this.namedParameters()) {
      state.set(path, { dtype: 'F32', shape: [rows, cols], data: Float32Array.from(data) });
    }
    return state;
  }

  /**
   * Copies a state dict into the parameters. Names and shapes must be exactly those of stateDict(); a state that does
   * not fit changes nothing.
   *
   * @throws ShapeError  if a name is missing or unknown, or a shape or length differs; TypeError for wrong kinds
   * @example copy.loadStateDict(model.stateDict());
   */
  loadStateDict(state: ReadonlyMap<string, StoredTensor>): void {
    const where = `${className(this)}.loadStateDict`;
    const parameters = this.namedParameters();
    requireState(where, state, new Map([...parameters].map(([path, parameter]) => [path, stored(parameter)])));
    for (const [path, parameter] of parameters) parameter.data.set(state.get(path)?.data as Float32Array);
  }

  /**
   * Where the dropout of every module below stands: [its seed, the calls that dropped], F64 of shape [2]. With it and
   * stateDict(), training goes on to the bit as if it had not stopped.
   */
  dropoutState(): Map<string, StoredTensor> {
    const state = new Map<string, StoredTensor>();
    for (const [path, { dropoutSeed, dropoutCalls }] of droppingModules(this)) {
      state.set(path, { ...DROPOUT_ENTRY, data: Float64Array.of(dropoutSeed, dropoutCalls) });
    }
    return state;
  }

  /**
   * Puts every dropout where dropoutState() found it. A state that does not fit changes nothing.
   *
   * @throws ShapeError  if a name is missing or unknown, a shape or length differs, or a number is no integer of at
   *   least 0; TypeError for wrong kinds
   * @example copy.loadDropoutState(model.dropoutState());
   */
  loadDropoutState(state: ReadonlyMap<string, StoredTensor>): void {
    const where = `${className(this)}.loadDropoutState`;
    const modules = [...droppingModules(this)];
    requireState(where, state, new Map(modules.map(([path]) => [path, DROPOUT_ENTRY])), 'dropoutState');
    const loaded = modules.map(([path, module]) => {
      const [dropoutSeed, dropoutCalls] = Array.from(state.get(path)?.data as Float64Array);
      requireInteger(where, `the seed of ${path}`, dropoutSeed, 0);
      requireInteger(where, `the calls of ${path}`, dropoutCalls, 0);
      return { module, dropoutSeed, dropoutCalls };
    });
    for (const { module, ...numbers } of loaded) Object.assign(module, numbers);
  }

  /** Training mode for this module and all below it; train(false) is eval(). Returns this. */
  train(on = true): this {
    requireBoolean(`${className(this)}.train`, 'on', on);
    this.training = on;
    for (const [, value] of walk(this, '')) if (value instanceof Module) value.training = on;
    return this;
  }

  /** Evaluation mode: no dropout. Returns this. */
  eval(): this {
    return this.train(false);
  }
}

function className(module: Module): string {
  return module.constructor.name || 'Module'; // a class expression has no name
}

/** Parameters and modules below a module, depth first, each module once. */
function* walk(
  root: Module,
  path: string,
  seen: Set<object> = new Set([root]),
): Generator<[string, Parameter | Module]> {
  for (const [key, value] of Object.entries(root)) yield* visit(value, path === '' ? key : `${path}.${key}`, seen);
}

function* visit(value: unknown, path: string, seen: Set<object>): Generator<[string, Parameter | Module]> {
  if (value instanceof Parameter) {
    yield [path, value];
  } else if (value instanceof Module && !seen.has(value)) {
    seen.add(value);
    yield [path, value];
    yield* walk(value, path, seen);
  } else if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) yield* visit(value[i], `${path}.${i}`, seen);
  }
}

const DROPOUT_ENTRY = { dtype: 'F64', shape: [2] } as const;

/** What a module that drops has: see DroppingModule. */
interface Dropping {
  dropoutSeed: number;
  dropoutCalls: number;
}

/** Every module that drops, the root too, under its dotted path and the word 'dropout'. */
function droppingModules(root: Module): Map<string, Dropping> {
  const found = new Map<string, Dropping>();
  for (const [path, value] of [['', root] as const, ...walk(root, '')]) {
    if (!(value instanceof Module && 'dropoutSeed' in value && 'dropoutCalls' in value)) continue;
    found.set(path === '' ? 'dropout' : `${path}.dropout`, value as Dropping);
  }
  return found;
}

function stored({ rows, cols }: Parameter): StateEntry {
  return { dtype: 'F32', shape: [rows, cols] };
}
