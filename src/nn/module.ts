// nn: layers and models. Computes with matrices and ops only, never with kernels; does not know who trains it.

import { requireArguments } from '../core/arguments.js';
import { brandOf, putBrand } from '../core/brands.js';
import { classNameOf } from '../core/class-names.js';
import { describe, kindError, requireBoolean, requireInteger, shapeError } from '../core/errors.js';
import { ATTENTION_NAMES, MODEL_NAMES } from '../core/names-elsewhere.js';
import { prepareClass } from '../core/prepared-class.js';
import { newState, requireState, type StateEntry, type StoredTensor } from '../core/stored-tensor.js';
import { requireWhole } from '../matrix/checks.js';
import { isParameter, type Parameter } from '../matrix/parameter.js';
import { objectsIn, objectsOf } from './containers.js';
import { treeOf } from './picture.js';

/** What PyTorch calls the parameters of its layers. */
const PROPERTY_NAMES = { weight: 'W', lr: 'an optimizer has a learningRate' };

/**
 * The base of every layer: finds the parameters and modules in the fields of a module, in arrays, plain objects, Maps and
 * Sets in those fields, at any depth, and in the modules found there.
 *
 * In a Map a part is named by its key, or by its place if the key is an object, a function or a symbol; in a Set by its
 * place. Not found, and so neither trained nor saved, are `#private` fields, fields under a symbol, getters (they are not
 * run), the keys of a Map, and what instances of other classes hold.
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
  /**
   * The name of the class in messages and console.log, even after a bundler has renamed the class. Every class of the library
   * has this getter; messages of a class without one use the name of its base.
   */
  static get name(): string {
    return 'Module';
  }

  /** Training mode, in which dropout drops: true at first and after train(), false after eval(). */
  training = true;

  constructor() {
    requireArguments('Module', arguments.length, 0);
    putBrand(this, 'Module');
    prepareClass<Module>(this, Module.prototype, {
      open: Module,
      elsewhere: [PROPERTY_NAMES, MODEL_NAMES, ATTENTION_NAMES],
      picture: (module: Module) => treeOf(module, isModule),
      saving: 'writeSafetensors(module.stateDict()) keeps them',
    });
  }

  /**
   * Every parameter under its dotted path, in the order of the fields; a parameter that is found twice appears once.
   *
   * @throws ShapeError  if two parameters have the same path, as under the keys 'a.b' and 'a' with 'b' in it; so do
   *   parameters, stateDict and loadStateDict
   */
  namedParameters(): Map<string, Parameter> {
    requireArguments('Module.namedParameters', arguments.length, 0);
    const parameters = partsOf(this).filter((part): part is [string, Parameter] => isParameter(part[1]));
    return named(`${classNameOf(this)}.namedParameters`, 'parameter', parameters);
  }

  /** The parameters of namedParameters, without their names. */
  parameters(): Parameter[] {
    requireArguments('Module.parameters', arguments.length, 0);
    return [...this.namedParameters().values()];
  }

  /** How many numbers are learned: the entries of all parameters, each counted once. */
  get parameterCount(): number {
    let count = 0;
    for (const [, part] of partsOf(this)) if (isParameter(part)) count += part.rows * part.cols;
    return count;
  }

  /** A copy of every parameter, as a tensor of shape [rows, cols] under its path. */
  stateDict(): Map<string, StoredTensor> {
    requireArguments('Module.stateDict', arguments.length, 0);
    const state = newState();
    for (const [path, parameter] of this.namedParameters()) {
      requireWhole(`${classNameOf(this)}.stateDict`, path, parameter);
      const { rows, cols, data } = parameter;
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
    requireArguments('Module.loadStateDict', arguments.length, 1);
    const where = `${classNameOf(this)}.loadStateDict`;
    const parameters = this.namedParameters();
    for (const [path, parameter] of parameters) requireWhole(where, path, parameter);
    requireState(where, state, new Map([...parameters].map(([path, parameter]) => [path, stored(parameter)])));
    // Data that lies in the memory of the parameters (two layers may swap theirs) is copied before anything is written.
    const buffers = new Set([...parameters.values()].map(({ data }) => data.buffer));
    const writes = [...parameters].map(([path, parameter]) => {
      const data = state.get(path)?.data as Float32Array;
      return { parameter, data: buffers.has(data.buffer) ? data.slice() : data };
    });
    for (const { parameter, data } of writes) parameter.data.set(data);
  }

  /**
   * The state of every dropout in this module and below: [its seed, the calls that have dropped], F64 of shape [2]. With it
   * and stateDict(), training continues to the bit as if it had not stopped.
   */
  dropoutState(): Map<string, StoredTensor> {
    requireArguments('Module.dropoutState', arguments.length, 0);
    const state = newState();
    for (const [path, { dropoutSeed, dropoutCalls }] of droppingModules(`${classNameOf(this)}.dropoutState`, this)) {
      state.set(path, { ...DROPOUT_ENTRY, data: Float64Array.of(dropoutSeed, dropoutCalls) });
    }
    return state;
  }

  /**
   * Sets every dropout to a state from dropoutState(). A state that does not fit changes nothing.
   *
   * @throws ShapeError  if a name is missing or unknown, a shape or length differs, or a number is not an integer of at
   *   least 0; TypeError for wrong kinds
   * @example copy.loadDropoutState(model.dropoutState());
   */
  loadDropoutState(state: ReadonlyMap<string, StoredTensor>): void {
    requireArguments('Module.loadDropoutState', arguments.length, 1);
    const where = `${classNameOf(this)}.loadDropoutState`;
    const modules = [...droppingModules(where, this)];
    requireState(where, state, new Map(modules.map(([path]) => [path, DROPOUT_ENTRY])), 'dropoutState');
    const loaded = modules.map(([path, module]) => {
      const [dropoutSeed, dropoutCalls] = Array.from(state.get(path)?.data as Float64Array);
      requireInteger(where, `the seed of ${path}`, dropoutSeed, 0);
      requireInteger(where, `the calls of ${path}`, dropoutCalls, 0);
      return { module, dropoutSeed, dropoutCalls };
    });
    requireOpen(where, modules);
    for (const { module, ...numbers } of loaded) Object.assign(module, numbers);
  }

  /** Puts this module and all below it into training mode; train(false) is eval(). Returns this. */
  train(on = true): this {
    requireArguments('Module.train', arguments.length, 1);
    const where = `${classNameOf(this)}.train`;
    requireBoolean(where, 'on', on);
    const toSwitch = partsOf(this).filter((part): part is [string, Module] => {
      return isModule(part[1]) && part[1].training !== on;
    });
    requireOpen(where, toSwitch);
    for (const [, module] of toSwitch) module.training = on;
    return this;
  }

  /** Puts this module and all below it into evaluation mode, without dropout. Returns this. */
  eval(): this {
    requireArguments('Module.eval', arguments.length, 0);
    return this.train(false);
  }
}

/** Also true for a module of another copy of the library: its parameters are found, saved, loaded and trained. */
function isModule(value: unknown): value is Module {
  return value instanceof Module || brandOf(value, 'Module') === true;
}

/** The module and all parameters and modules below it, depth first, each once. Not recursive, so that any depth works. */
function partsOf(root: Module): [path: string, part: Parameter | Module][] {
  const parts: [string, Parameter | Module][] = [];
  const seen = new Set<object>();
  const waiting: [string, object][] = [['', root]];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [path, value] = next;
    if (seen.has(value)) continue;
    seen.add(value);
    if (isModule(value) || isParameter(value)) parts.push([path, value]);
    if (isParameter(value)) continue;
    const inner = isModule(value) ? objectsOf(value) : objectsIn(value);
    for (const [name, part] of inner.reverse()) waiting.push([path === '' ? name : `${path}.${name}`, part]);
  }
  return parts;
}

/** Modules that a call will write to must not be frozen. */
function requireOpen(where: string, modules: Iterable<readonly [path: string, module: object]>): void {
  for (const [path, module] of modules) {
    if (!Object.isFrozen(module)) continue;
    throw kindError(where, 'no module may be frozen', `${path === '' ? 'this one' : describe(path)} is`);
  }
}

/** The parts by name, which must differ: under a shared one a part would be lost. */
function named<Part>(where: string, what: string, parts: readonly (readonly [string, Part])[]): Map<string, Part> {
  const byName = new Map<string, Part>();
  for (const [name, part] of parts) {
    if (byName.has(name)) {
      const hint = 'dots in keys look like paths, and a Map or Set counts its parts';
      throw shapeError(where, `every name must belong to one ${what}`, `two are ${describe(name)}`, hint);
    }
    byName.set(name, part);
  }
  return byName;
}

const DROPOUT_ENTRY = { dtype: 'F64', shape: [2] } as const;

/** The state of a module with dropout: see DroppingModule. */
interface Dropping {
  dropoutSeed: number;
  dropoutCalls: number;
}

/** Every module with dropout, including the root, under its dotted path and the word 'dropout'. */
function droppingModules(where: string, root: Module): Map<string, Dropping> {
  const dropping = partsOf(root).filter(([, part]) => 'dropoutSeed' in part && 'dropoutCalls' in part);
  const name = (path: string) => (path === '' ? 'dropout' : `${path}.dropout`);
  return named(
    where,
    'dropout',
    dropping.map(([path, part]) => [name(path), part as unknown as Dropping]),
  );
}

function stored({ rows, cols }: Parameter): StateEntry {
  return { dtype: 'F32', shape: [rows, cols] };
}
