import { Int, type Node, type Owner } from './values.js';

// Arithmetic in float64 on float32 in memory: what the reference computes entry by entry, to the bit.

/** An f64. */
export class Double {
  constructor(
    readonly f: Owner,
    readonly build: () => Node,
  ) {}

  plus(other: Double): Double {
    return new Double(this.f, () => this.f.m.f64.add(this.build(), other.build()));
  }
  /** value − this. */
  from(value: number): Double {
    return new Double(this.f, () => this.f.m.f64.sub(this.f.m.f64.const(value), this.build()));
  }
  ne(value: number): Int {
    return new Int(this.f, () => this.f.m.f64.ne(this.build(), this.f.m.f64.const(value)));
  }
  splat(): Doubles {
    return new Doubles(this.f, () => this.f.m.f64x2.splat(this.build()));
  }
  /** Written to an address as eight bytes. */
  storeAt(address: Int): void {
    this.f.push(this.f.m.f64.store(0, 8, address.build(), this.build()));
  }
}

/** Two lanes of f64. */
export class Doubles {
  constructor(
    readonly f: Owner,
    readonly build: () => Node,
  ) {}

  #with(other: Doubles, operation: (a: Node, b: Node) => Node): Doubles {
    return new Doubles(this.f, () => operation(this.build(), other.build()));
  }
  plus(other: Doubles): Doubles {
    return this.#with(other, this.f.m.f64x2.add);
  }
  minus(other: Doubles): Doubles {
    return this.#with(other, this.f.m.f64x2.sub);
  }
  times(other: Doubles): Doubles {
    return this.#with(other, this.f.m.f64x2.mul);
  }
  dividedBy(other: Doubles): Doubles {
    return this.#with(other, this.f.m.f64x2.div);
  }
  sqrt(): Doubles {
    return new Doubles(this.f, () => this.f.m.f64x2.sqrt(this.build()));
  }
  lane(index: 0 | 1): Double {
    return new Double(this.f, () => this.f.m.f64x2.extract_lane(this.build(), index));
  }
}
