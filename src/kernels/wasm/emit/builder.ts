import binaryen from 'binaryen';

// A small language over binaryen.js: typed values with methods, statements that append to the open block.
// A value is a recipe, not a node: it is built anew wherever it is used, since one binaryen node used twice validates
// and is then miscompiled.

type Node = number;

// Missing from binaryen's typings.
const localNames = (
  binaryen as unknown as { Function: { setLocalName(f: binaryen.FunctionRef, index: number, name: string): void } }
).Function;

type IntLike = Int | number;
type FloatLike = Float | number;

/** An i32: an address, a count, a flag. */
export class Int {
  constructor(
    readonly f: FunctionBuilder,
    readonly build: () => Node,
  ) {}

  #with(other: IntLike, operation: (a: Node, b: Node) => Node): Int {
    const b = this.f.int(other);
    return new Int(this.f, () => operation(this.build(), b.build()));
  }
  plus(other: IntLike): Int {
    return other === 0 ? this : this.#with(other, this.f.m.i32.add);
  }
  minus(other: IntLike): Int {
    return this.#with(other, this.f.m.i32.sub);
  }
  times(other: IntLike): Int {
    return this.#with(other, this.f.m.i32.mul);
  }
  shl(bits: IntLike): Int {
    return this.#with(bits, this.f.m.i32.shl);
  }
  shr(bits: IntLike): Int {
    return this.#with(bits, this.f.m.i32.shr_u);
  }
  and(other: IntLike): Int {
    return this.#with(other, this.f.m.i32.and);
  }
  or(other: IntLike): Int {
    return this.#with(other, this.f.m.i32.or);
  }
  dividedBy(other: IntLike): Int {
    return this.#with(other, this.f.m.i32.div_s);
  }
  modulo(other: IntLike): Int {
    return this.#with(other, this.f.m.i32.rem_s);
  }
  lt(other: IntLike): Int {
    return this.#with(other, this.f.m.i32.lt_s);
  }
  le(other: IntLike): Int {
    return this.#with(other, this.f.m.i32.le_s);
  }
  gt(other: IntLike): Int {
    return this.#with(other, this.f.m.i32.gt_s);
  }
  ge(other: IntLike): Int {
    return this.#with(other, this.f.m.i32.ge_s);
  }
  eq(other: IntLike): Int {
    return this.#with(other, this.f.m.i32.eq);
  }
  ne(other: IntLike): Int {
    return this.#with(other, this.f.m.i32.ne);
  }
  not(): Int {
    return new Int(this.f, () => this.f.m.i32.eqz(this.build()));
  }
  min(other: IntLike): Int {
    const b = this.f.int(other);
    return this.lt(b).choose(this, b);
  }
  max(other: IntLike): Int {
    const b = this.f.int(other);
    return this.gt(b).choose(this, b);
  }
  /** this ≠ 0 ? a : b, both evaluated. */
  choose(a: IntLike, b: IntLike): Int {
    const [x, y] = [this.f.int(a), this.f.int(b)];
    return new Int(this.f, () => this.f.m.select(this.build(), x.build(), y.build()));
  }
  chooseFloat(a: FloatLike, b: FloatLike): Float {
    const [x, y] = [this.f.float(a), this.f.float(b)];
    return new Float(this.f, () => this.f.m.select(this.build(), x.build(), y.build()));
  }
  toFloat(): Float {
    return new Float(this.f, () => this.f.m.f32.convert_s.i32(this.build()));
  }
  splat(): Vector {
    return new Vector(this.f, () => this.f.m.i32x4.splat(this.build()));
  }
  /** The bits as a float. */
  asFloat(): Float {
    return new Float(this.f, () => this.f.m.f32.reinterpret(this.build()));
  }

  // As an address; offsets in bytes.
  int(offset = 0): Int {
    return new Int(this.f, () => this.f.m.i32.load(offset, 4, this.build()));
  }
  byte(offset = 0): Int {
    return new Int(this.f, () => this.f.m.i32.load8_u(offset, 1, this.build()));
  }
  float(offset = 0): Float {
    return new Float(this.f, () => this.f.m.f32.load(offset, 4, this.build()));
  }
  vector(offset = 0): Vector {
    return new Vector(this.f, () => this.f.m.v128.load(offset, 4, this.build()));
  }
  /** One float in all four lanes. */
  splatAt(offset = 0): Vector {
    return new Vector(this.f, () => this.f.m.v128.load32_splat(offset, 4, this.build()));
  }
  /** Four bytes as four integer lanes. */
  bytesAt(offset = 0): Vector {
    const { m } = this.f;
    const bytes = () => m.v128.load32_zero(offset, 1, this.build());
    return new Vector(this.f, () => m.i32x4.extend_low_i16x8_u(m.i16x8.extend_low_i8x16_u(bytes())));
  }
  store(value: Int | Float | Vector, offset = 0): void {
    const { m } = this.f;
    const node =
      value instanceof Int
        ? m.i32.store(offset, 4, this.build(), value.build())
        : value instanceof Float
          ? m.f32.store(offset, 4, this.build(), value.build())
          : m.v128.store(offset, 4, this.build(), value.build());
    this.f.push(node);
  }
}

/** An f32. */
export class Float {
  constructor(
    readonly f: FunctionBuilder,
    readonly build: () => Node,
  ) {}

  #with(other: FloatLike, operation: (a: Node, b: Node) => Node): Float {
    const b = this.f.float(other);
    return new Float(this.f, () => operation(this.build(), b.build()));
  }
  #compare(other: FloatLike, operation: (a: Node, b: Node) => Node): Int {
    const b = this.f.float(other);
    return new Int(this.f, () => operation(this.build(), b.build()));
  }
  plus(other: FloatLike): Float {
    return this.#with(other, this.f.m.f32.add);
  }
  minus(other: FloatLike): Float {
    return this.#with(other, this.f.m.f32.sub);
  }
  times(other: FloatLike): Float {
    return this.#with(other, this.f.m.f32.mul);
  }
  dividedBy(other: FloatLike): Float {
    return this.#with(other, this.f.m.f32.div);
  }
  max(other: FloatLike): Float {
    return this.#with(other, this.f.m.f32.max);
  }
  abs(): Float {
    return new Float(this.f, () => this.f.m.f32.abs(this.build()));
  }
  sqrt(): Float {
    return new Float(this.f, () => this.f.m.f32.sqrt(this.build()));
  }
  lt(other: FloatLike): Int {
    return this.#compare(other, this.f.m.f32.lt);
  }
  gt(other: FloatLike): Int {
    return this.#compare(other, this.f.m.f32.gt);
  }
  eq(other: FloatLike): Int {
    return this.#compare(other, this.f.m.f32.eq);
  }
  ne(other: FloatLike): Int {
    return this.#compare(other, this.f.m.f32.ne);
  }
  splat(): Vector {
    return new Vector(this.f, () => this.f.m.f32x4.splat(this.build()));
  }
}

/** Four lanes: f32 unless a method says int. */
export class Vector {
  constructor(
    readonly f: FunctionBuilder,
    readonly build: () => Node,
  ) {}

  #with(other: Vector, operation: (a: Node, b: Node) => Node): Vector {
    return new Vector(this.f, () => operation(this.build(), other.build()));
  }
  #map(operation: (a: Node) => Node): Vector {
    return new Vector(this.f, () => operation(this.build()));
  }
  plus(other: Vector): Vector {
    return this.#with(other, this.f.m.f32x4.add);
  }
  minus(other: Vector): Vector {
    return this.#with(other, this.f.m.f32x4.sub);
  }
  times(other: Vector): Vector {
    return this.#with(other, this.f.m.f32x4.mul);
  }
  dividedBy(other: Vector): Vector {
    return this.#with(other, this.f.m.f32x4.div);
  }
  /** Lanewise other > this ? other : this; a NaN in this stays, one in other is dropped. */
  pmax(other: Vector): Vector {
    return this.#with(other, this.f.m.f32x4.pmax);
  }
  pmin(other: Vector): Vector {
    return this.#with(other, this.f.m.f32x4.pmin);
  }
  /** Lanewise maximum; NaN on either side stays. */
  max(other: Vector): Vector {
    return this.#with(other, this.f.m.f32x4.max);
  }
  sqrt(): Vector {
    return this.#map(this.f.m.f32x4.sqrt);
  }
  abs(): Vector {
    return this.#map(this.f.m.f32x4.abs);
  }
  negate(): Vector {
    return this.#map(this.f.m.f32x4.neg);
  }
  lt(other: Vector): Vector {
    return this.#with(other, this.f.m.f32x4.lt);
  }
  gt(other: Vector): Vector {
    return this.#with(other, this.f.m.f32x4.gt);
  }
  eq(other: Vector): Vector {
    return this.#with(other, this.f.m.f32x4.eq);
  }
  ne(other: Vector): Vector {
    return this.#with(other, this.f.m.f32x4.ne);
  }
  and(other: Vector): Vector {
    return this.#with(other, this.f.m.v128.and);
  }
  or(other: Vector): Vector {
    return this.#with(other, this.f.m.v128.or);
  }
  xor(other: Vector): Vector {
    return this.#with(other, this.f.m.v128.xor);
  }
  /** this & ~other. */
  andNot(other: Vector): Vector {
    return this.#with(other, this.f.m.v128.andnot);
  }
  /** Lanes of a where this has ones, of b elsewhere. */
  choose(a: Vector, b: Vector): Vector {
    return new Vector(this.f, () => this.f.m.v128.bitselect(a.build(), b.build(), this.build()));
  }
  intPlus(other: Vector): Vector {
    return this.#with(other, this.f.m.i32x4.add);
  }
  intMinus(other: Vector): Vector {
    return this.#with(other, this.f.m.i32x4.sub);
  }
  intShl(bits: number): Vector {
    return this.#map((a) => this.f.m.i32x4.shl(a, this.f.m.i32.const(bits)));
  }
  intEq(other: Vector): Vector {
    return this.#with(other, this.f.m.i32x4.eq);
  }
  intLt(other: Vector): Vector {
    return this.#with(other, this.f.m.i32x4.lt_s);
  }
  intGt(other: Vector): Vector {
    return this.#with(other, this.f.m.i32x4.gt_s);
  }
  /** The 64-bit products of lanes 0 and 1 as unsigned integers; multiplyHigh: of lanes 2 and 3. */
  multiplyLow(other: Vector): Vector {
    return this.#with(other, this.f.m.i64x2.extmul_low_i32x4_u);
  }
  multiplyHigh(other: Vector): Vector {
    return this.#with(other, this.f.m.i64x2.extmul_high_i32x4_u);
  }
  /** Lanewise this ≥ other as unsigned integers. */
  unsignedGe(other: Vector): Vector {
    return this.#with(other, this.f.m.i32x4.ge_u);
  }
  /** Lanes as signed integers to floats. */
  toFloats(): Vector {
    return this.#map(this.f.m.f32x4.convert_i32x4_s);
  }
  /** Lanes 0–3 name this, 4–7 the other. */
  shuffle(other: Vector, lanes: readonly [number, number, number, number]): Vector {
    const bytes = lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => lane * 4 + byte));
    return new Vector(this.f, () => this.f.m.i8x16.shuffle(this.build(), other.build(), bytes));
  }
  withLane(index: number, value: Float): Vector {
    return new Vector(this.f, () => this.f.m.f32x4.replace_lane(this.build(), index, value.build()));
  }
  lane(index: number): Float {
    return new Float(this.f, () => this.f.m.f32x4.extract_lane(this.build(), index));
  }
  intLane(index: number): Int {
    return new Int(this.f, () => this.f.m.i32x4.extract_lane(this.build(), index));
  }
  /** Whether any bit is set. */
  any(): Int {
    return new Int(this.f, () => this.f.m.v128.any_true(this.build()));
  }
}

export class IntVariable extends Int {
  constructor(
    f: FunctionBuilder,
    readonly index: number,
  ) {
    super(f, () => f.m.local.get(index, binaryen.i32));
  }
  set(value: IntLike): void {
    this.f.push(this.f.m.local.set(this.index, this.f.int(value).build()));
  }
  add(value: IntLike): void {
    this.set(this.plus(value));
  }
  /** Subtracts one and gives what is left, in one expression. */
  decrement(): Int {
    return new Int(this.f, () => this.f.m.local.tee(this.index, this.minus(1).build(), binaryen.i32));
  }
}

export class FloatVariable extends Float {
  constructor(
    f: FunctionBuilder,
    readonly index: number,
  ) {
    super(f, () => f.m.local.get(index, binaryen.f32));
  }
  set(value: FloatLike): void {
    this.f.push(this.f.m.local.set(this.index, this.f.float(value).build()));
  }
}

export class VectorVariable extends Vector {
  constructor(
    f: FunctionBuilder,
    readonly index: number,
  ) {
    super(f, () => f.m.local.get(index, binaryen.v128));
  }
  set(value: Vector): void {
    this.f.push(this.f.m.local.set(this.index, value.build()));
  }
}

type Parameters = Record<string, 'int' | 'float'>;
type ParameterVariables<P extends Parameters> = { [K in keyof P]: P[K] extends 'int' ? IntVariable : FloatVariable };

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
    this.#types = Object.values(parameters).map((kind) => (kind === 'int' ? binaryen.i32 : binaryen.f32));
    this.#parameterCount = this.#names.length;
  }

  parameters<P extends Parameters>(kinds: P): ParameterVariables<P> {
    const entries = Object.entries(kinds).map(([name, kind], index) => [
      name,
      kind === 'int' ? new IntVariable(this, index) : new FloatVariable(this, index),
    ]);
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
  call(name: string, ...values: (Int | Float | number)[]): void {
    const nodes = values.map((value) => (typeof value === 'number' ? this.m.i32.const(value) : value.build()));
    this.push(this.m.call(name, nodes, binaryen.none));
  }
  fill(address: Int, byte: number, bytes: Int): void {
    this.push(this.m.memory.fill(address.build(), this.m.i32.const(byte), bytes.build()));
  }
  copy(to: Int, from: Int, bytes: Int): void {
    this.push(this.m.memory.copy(to.build(), from.build(), bytes.build()));
  }

  finish(name: string, exported: boolean): void {
    const parameters = binaryen.createType(this.#types.slice(0, this.#parameterCount));
    const body = this.m.block(null, [...this.#prologue, ...this.#statements]);
    const f = this.m.addFunction(name, parameters, binaryen.none, this.#types.slice(this.#parameterCount), body);
    this.#names.forEach((local, index) => void localNames.setLocalName(f, index, `${local}_${index}`));
    if (exported) this.m.addFunctionExport(name, name);
  }
}

/** Defines a function without result; `exported` makes it an entry that JavaScript calls. */
export function define<P extends Parameters>(
  m: binaryen.Module,
  name: string,
  parameters: P,
  body: (f: FunctionBuilder, parameters: ParameterVariables<P>) => void,
  exported = false,
): void {
  const f = new FunctionBuilder(m, parameters);
  body(f, f.parameters(parameters));
  f.finish(name, exported);
}

export function range(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}
