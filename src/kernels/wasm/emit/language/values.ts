import type binaryen from 'binaryen';

// Values of the language: typed, with methods for what can be computed of them. A value is a recipe, not a node: it is built
// anew wherever it is used, since one binaryen node used twice validates and is then miscompiled.

export type Node = number;

export type IntLike = Int | number;
export type FloatLike = Float | number;

/** The function that values belong to: what they need of the FunctionBuilder. */
export interface Owner {
  readonly m: binaryen.Module;
  push(statement: Node): void;
  int(value: IntLike): Int;
  float(value: FloatLike): Float;
}

/** An i32: an address, a count, a flag. */
export class Int {
  constructor(
    readonly f: Owner,
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
    readonly f: Owner,
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
    readonly f: Owner,
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
