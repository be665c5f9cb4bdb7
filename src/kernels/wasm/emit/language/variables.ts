import binaryen from 'binaryen';
import { Double, Doubles } from './doubles.js';
import { Float, type FloatLike, Int, type IntLike, type Owner, Vector } from './values.js';

// Values that can be set: the locals of a function.

export class IntVariable extends Int {
  constructor(
    f: Owner,
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
    f: Owner,
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
    f: Owner,
    readonly index: number,
  ) {
    super(f, () => f.m.local.get(index, binaryen.v128));
  }
  set(value: Vector): void {
    this.f.push(this.f.m.local.set(this.index, value.build()));
  }
}

export class DoubleVariable extends Double {
  constructor(
    f: Owner,
    readonly index: number,
  ) {
    super(f, () => f.m.local.get(index, binaryen.f64));
  }
  set(value: Double): void {
    this.f.push(this.f.m.local.set(this.index, value.build()));
  }
}

export class DoublesVariable extends Doubles {
  constructor(
    f: Owner,
    readonly index: number,
  ) {
    super(f, () => f.m.local.get(index, binaryen.v128));
  }
  set(value: Doubles): void {
    this.f.push(this.f.m.local.set(this.index, value.build()));
  }
}
