// kernels/wasm/emit/language: the language in which kernels are written: values, variables, statements, loops over rows and
// entries. Knows WebAssembly, and no kernel.

import binaryen from 'binaryen';
import { Doubles } from './doubles.js';
import { Float, type FloatLike, Int, type IntLike, type Node, Vector } from './values.js';
import { DoublesVariable, DoubleVariable, FloatVariable, IntVariable, VectorVariable } from './variables.js';

// A small language over binaryen.js: values (values.ts), variables (variables.ts), and statements that append to the open
// block.

// Missing from binaryen's typings.
const localNames = (
  binaryen as unknown as { Function: { setLocalName(f: binaryen.FunctionRef, index: number, name: string): void } }
).Function;

/** The kinds of arguments. */
const KINDS = {
  int: { type: binaryen.i32, Variable: IntVariable },
  float: { type: binaryen.f32, Variable: FloatVariable },
  double: { type: binaryen.f64, Variable: DoubleVariable },
} as const;

type Kind = keyof typeof KINDS;

/** The arguments of a function by name, in order. */
export type Parameters = Record<string, Kind>;

/** Their types, in order. */
export function typesOf(parameters: Parameters): binaryen.Type[] {
  return Object.values(parameters).map((kind) => KINDS[kind].type);
}

/** What follows the arguments of every entry: it does units [from, to), and may write to the scratch of its thread. */
export const UNITS = { from: 'int', to: 'int', scratch: 'int' } as const;

/** A function that others call by the names of its arguments. */
export interface Signature<P extends Parameters> {
  readonly name: string;
  readonly parameters: P;
}

/** What was defined in a module, so that others can import it, and the program call what is an entry. */
interface Defined {
  readonly parameters: Parameters;
  readonly isEntry: boolean;
  readonly usesScratch: boolean;
}

const defined = new WeakMap<binaryen.Module, Map<string, Defined>>();

export function definedIn(m: binaryen.Module): Map<string, Defined> {
  return defined.get(m) ?? new Map();
}

type ParameterVariables<P extends Parameters> = { [K in keyof P]: InstanceType<(typeof KINDS)[P[K]]['Variable']> };

/** One function under construction. */
export class FunctionBuilder {
  readonly #types: binaryen.Type[];
  readonly #names: string[];
  readonly #parameterCount: number;
  #statements: Node[] = [];
  readonly #prologue: Node[] = [];
  readonly #constants = new Map<string, VectorVariable>();
  #labels = 0;

  constructor(
    readonly m: binaryen.Module,
    parameters: Parameters,
  ) {
    this.#names = Object.keys(parameters);
    this.#types = typesOf(parameters);
    this.#parameterCount = this.#names.length;
  }

  parameters<P extends Parameters>(kinds: P): ParameterVariables<P> {
    const entries = Object.entries(kinds).map(([name, kind], index) => [name, new KINDS[kind].Variable(this, index)]);
    return Object.fromEntries(entries) as ParameterVariables<P>;
  }

  push(statement: Node): void {
    this.#statements.push(statement);
  }

  int(value: IntLike): Int {
    return typeof value === 'number' ? new Int(this, () => this.m.i32.const(value)) : value;
  }
  float(value: FloatLike): Float {
    return typeof value === 'number' ? new Float(this, () => this.m.f32.const(value)) : value;
  }
  /** A constant in all four lanes. */
  floats(value: number): Vector {
    return new Vector(this, () => this.m.f32x4.splat(this.m.f32.const(value)));
  }
  /**
   * The same, held in a local that is set once where the function begins. Inside a hot loop V8 from Node 24 on makes a
   * `floats` anew each time: exp, silu and softmax ran up to 1.7 times as fast with this; Node 20 and 22 do not care.
   */
  constant(value: number): Vector {
    const key = Object.is(value, -0) ? '-0' : String(value);
    let held = this.#constants.get(key);
    if (!held) {
      held = new VectorVariable(this, this.#local(binaryen.v128, `c${key}`));
      this.#constants.set(key, held);
      this.#prologue.push(this.m.local.set(held.index, this.floats(value).build()));
    }
    return held;
  }
  doubles(value: number): Doubles {
    return new Doubles(this, () => this.m.f64x2.splat(this.m.f64.const(value)));
  }
  ints(value: number): Vector {
    return new Vector(this, () => this.m.i32x4.splat(this.m.i32.const(value)));
  }
  /** Four integers. */
  lanes(a: number, b: number, c: number, d: number): Vector {
    const bytes = [...new Uint8Array(Int32Array.of(a, b, c, d).buffer)];
    return new Vector(this, () => this.m.v128.const(bytes));
  }

  #local(type: binaryen.Type, name: string): number {
    this.#types.push(type);
    return this.#names.push(name) - 1;
  }
  /** A new local; with a value, set to it here. A local that is not set is 0. */
  intVariable(name: string, value?: IntLike): IntVariable {
    const variable = new IntVariable(this, this.#local(binaryen.i32, name));
    if (value !== undefined) variable.set(value);
    return variable;
  }
  /** New locals, one for each name. */
  intVariables<Names extends readonly string[]>(...names: Names): { [I in keyof Names]: IntVariable } {
    return names.map((name) => this.intVariable(name)) as { [I in keyof Names]: IntVariable };
  }
  floatVariables<Names extends readonly string[]>(...names: Names): { [I in keyof Names]: FloatVariable } {
    return names.map((name) => this.floatVariable(name)) as { [I in keyof Names]: FloatVariable };
  }
  vectorVariables<Names extends readonly string[]>(...names: Names): { [I in keyof Names]: VectorVariable } {
    return names.map((name) => this.vectorVariable(name)) as { [I in keyof Names]: VectorVariable };
  }
  floatVariable(name: string, value?: FloatLike): FloatVariable {
    const variable = new FloatVariable(this, this.#local(binaryen.f32, name));
    if (value !== undefined) variable.set(value);
    return variable;
  }
  vectorVariable(name: string, value?: Vector): VectorVariable {
    const variable = new VectorVariable(this, this.#local(binaryen.v128, name));
    if (value !== undefined) variable.set(value);
    return variable;
  }

  doublesVariable(name: string, value?: Doubles): DoublesVariable {
    const variable = new DoublesVariable(this, this.#local(binaryen.v128, name));
    if (value !== undefined) variable.set(value);
    return variable;
  }

  #block(body: () => void): Node {
    const outer = this.#statements;
    this.#statements = [];
    body();
    const block = this.m.block(null, this.#statements);
    this.#statements = outer;
    return block;
  }
  if(condition: Int, then: () => void, otherwise?: () => void): void {
    const thenBlock = this.#block(then);
    const otherBlock = otherwise && this.#block(otherwise);
    this.push(this.m.if(condition.build(), thenBlock, otherBlock));
  }
  /** Runs the body at least once, and again while `again` (built after the body) is not 0. */
  doWhile(body: () => void, again: () => Int): void {
    const label = `loop${this.#labels++}`;
    const inner = this.#block(() => {
      body();
      this.push(this.m.br(label, again().build()));
    });
    this.push(this.m.loop(label, inner));
  }
  /** for (variable = from; variable < to; variable += step) body. */
  for(variable: IntVariable, from: IntLike, to: IntLike, step: IntLike, body: () => void): void {
    variable.set(from);
    this.while(
      () => variable.lt(to),
      () => {
        body();
        variable.add(step);
      },
    );
  }
  while(condition: () => Int, body: () => void): void {
    this.if(condition(), () => this.doWhile(body, condition));
  }
  /** A block that `leave` jumps out of. */
  block(body: (leave: (when: Int) => void) => void): void {
    const label = `block${this.#labels++}`;
    const inner = this.#block(() => body((when) => this.push(this.m.br(label, when.build()))));
    this.push(this.m.block(label, [inner]));
  }
  return(): void {
    this.push(this.m.return());
  }
  /** Calls a function, with its arguments by name. */
  run<P extends Parameters>(
    { name, parameters }: Signature<P>,
    values: { [K in keyof P]: Int | Float | number },
  ): void {
    const nodes = Object.entries(parameters).map(([parameter, kind]) => {
      const value = values[parameter];
      if (typeof value !== 'number') return value.build();
      return kind === 'int' ? this.m.i32.const(value) : this.m.f32.const(value);
    });
    this.push(this.m.call(name, nodes, binaryen.none));
  }
  fill(address: Int, byte: number, bytes: Int): void {
    this.push(this.m.memory.fill(address.build(), this.m.i32.const(byte), bytes.build()));
  }
  copy(to: Int, from: Int, bytes: Int): void {
    this.push(this.m.memory.copy(to.build(), from.build(), bytes.build()));
  }

  finish(name: string): void {
    const parameters = binaryen.createType(this.#types.slice(0, this.#parameterCount));
    const body = this.m.block(null, [...this.#prologue, ...this.#statements]);
    const f = this.m.addFunction(name, parameters, binaryen.none, this.#types.slice(this.#parameterCount), body);
    this.#names.forEach((local, index) => void localNames.setLocalName(f, index, `${local}_${index}`));
  }
}

/** What `define` defines and `run` calls. */
export function signature<P extends Parameters>(name: string, parameters: P): Signature<P> {
  return { name, parameters };
}

/** Defines a function without result. */
export function define<P extends Parameters>(
  m: binaryen.Module,
  { name, parameters }: Signature<P>,
  body: (f: FunctionBuilder, parameters: ParameterVariables<P>) => void,
  isEntry = false,
): void {
  const f = new FunctionBuilder(m, parameters);
  let usesScratch = false;
  const variables = new Proxy(f.parameters(parameters), {
    get: (all, parameter) => {
      usesScratch ||= parameter === 'scratch';
      return Reflect.get(all, parameter);
    },
  });
  body(f, variables);
  f.finish(name);
  defined.set(m, definedIn(m).set(name, { parameters, isEntry, usesScratch }));
}

/** Defines an entry: a function that the program calls. Its last arguments are those of UNITS. */
export function entry<P extends Parameters>(
  m: binaryen.Module,
  name: string,
  own: P,
  body: (f: FunctionBuilder, parameters: ParameterVariables<P & typeof UNITS>) => void,
): void {
  define(m, entrySignature(name, own), body, true);
}

/** The signature of an entry. */
export function entrySignature<P extends Parameters>(name: string, own: P): Signature<P & typeof UNITS> {
  return { name, parameters: { ...own, ...UNITS } };
}

export function range(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}
