import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { objectsIn, objectsOf } from '../../src/nn/containers.js';

const [a, b] = [{ a: 1 }, { b: 1 }];
const of = (container: object) => Object.fromEntries(objectsIn(container));

describe('objectsIn', () => {
  it('gives the objects in what holds things, under their names there', () => {
    expect(objectsIn([a, 1, null, b])).toEqual([
      ['0', a],
      ['3', b],
    ]);
    expect(of({ x: a, y: 'text', z: undefined, v: b })).toEqual({ x: a, v: b });
    expect(of(Object.assign(Object.create(null), { x: a }))).toEqual({ x: a });
    expect(of(new Set([7, a, b]))).toEqual({ 1: a, 2: b });
    expect(of(new Map<unknown, object>([['x', a]]))).toEqual({ x: a });
  });

  it('names the values of a Map by keys that have a text, the others by their place', () => {
    const map = new Map<unknown, object>([
      [3, a],
      ['x.y', a],
      [true, a],
      [5n, a],
      [undefined, a],
      [Symbol('s'), b],
      [{}, b],
      [() => 1, b],
    ]);
    expect(objectsIn(map).map(([name]) => name)).toEqual(['3', 'x.y', 'true', '5', 'undefined', '5', '6', '7']);
  });

  it('knows the containers of another realm', () => {
    const foreign = runInNewContext(
      '({ object: { x: {} }, array: [{}], map: new Map([["x", {}]]), set: new Set([{}]) })',
    );
    expect(Object.keys(of(foreign.object))).toEqual(['x']);
    expect(Object.keys(of(foreign.array))).toEqual(['0']);
    expect(Object.keys(of(foreign.map))).toEqual(['x']);
    expect(Object.keys(of(foreign.set))).toEqual(['0']);
  });

  it('leaves instances of classes alone', () => {
    class Holder {
      x = a;
    }
    const buffers = [new Float32Array(3), new ArrayBuffer(8), new DataView(new ArrayBuffer(8))];
    for (const other of [new Holder(), new Date(), new WeakMap(), Promise.resolve(a), ...buffers]) {
      expect(objectsIn(other)).toEqual([]);
    }
  });

  it('finds what a long array holds, full or nearly empty', () => {
    const full: unknown[] = new Array(2 ** 20 + 5).fill(0.5);
    full[2 ** 20] = a;
    expect(objectsIn(full)).toEqual([[String(2 ** 20), a]]);
    const empty: unknown[] = [];
    empty[2 ** 32 - 2] = b;
    empty[0] = a;
    Object.assign(empty, { note: a });
    expect(objectsIn(empty)).toEqual([
      ['0', a],
      [String(2 ** 32 - 2), b],
    ]);
  });
});

describe('objectsOf', () => {
  it('runs no getter and sees no symbol', () => {
    let runs = 0;
    const holder = {
      x: a,
      [Symbol('s')]: b,
      get computed() {
        runs++;
        return b;
      },
    };
    expect(objectsOf(holder)).toEqual([['x', a]]);
    expect(runs).toBe(0);
  });
});
