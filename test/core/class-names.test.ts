import { describe, expect, it } from 'vitest';
import { classNameOf, isOfLibrary } from '../../src/core/class-names.js';
import { Linear, Matrix, Module, Parameter } from '../../src/index.js';

class Derived extends Linear {}

describe('names of classes', () => {
  it.each([
    [new Matrix(1, 1), 'Matrix', true],
    [new Parameter(1, 1), 'Parameter', true],
    [new Linear(1, 1), 'Linear', true],
    [new Derived(1, 1), 'Linear', false],
    [new (class extends Module {})(), 'Module', false],
    [{}, 'Object', false],
    [Object.create(null), 'Object', false],
  ])('case %#', (object, name, isOurs) => {
    expect(classNameOf(object)).toBe(name);
    expect(isOfLibrary(object)).toBe(isOurs);
  });
});
