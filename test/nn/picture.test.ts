import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { CausalLM, Linear, Module, Parameter } from '../../src/index.js';

const size = { vocabularySize: 256, dModel: 8, numHeads: 2, dHidden: 16, seed: 1 };

describe('the picture of a module', () => {
  it('is a tree of its parts with shapes and counts', () => {
    expect(inspect(new Linear(2, 3, { bias: true }))).toBe('Linear: 9 parameters\n  W: 2×3\n  b: 1×3');
    class Scale extends Module {
      gain = new Parameter(1, 1);
    }
    expect(inspect(new Scale())).toBe('Scale: 1 parameter\n  gain: 1×1');
  });

  it('draws equal layers once: a model of twelve fits one screen', () => {
    const lines = inspect(new CausalLM({ ...size, numLayers: 12, tieEmbeddings: true })).split('\n');
    expect(lines[0]).toMatch(/^CausalLM: \d+ \d{3} parameters$/);
    expect(lines).toContain('    0 … 11: 12 × TransformerBlock: 544 parameters');
    expect(lines).toContain('        W_Q: 8×8');
    expect(lines.length).toBeLessThanOrEqual(25);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(80);
  });

  it('counts what is shared once, and says that it is', () => {
    class Twice extends Module {
      first = new Linear(2, 2);
      second = this.first;
      W = this.first.W;
    }
    expect(inspect(new Twice())).toBe(
      'Twice: 4 parameters\n  first: Linear: 4 parameters\n    W: 2×2\n  second: Linear, shared\n  W: 2×2, shared',
    );
  });

  it('ends where modules hold each other, or stand too deep', () => {
    class Ring extends Module {
      next: Ring | undefined = undefined;
    }
    const ring = new Ring();
    ring.next = ring;
    expect(inspect(ring)).toBe('Ring\n  next: Ring, shared');
    const deep = Array.from({ length: 30 }).reduce<Ring>((inner) => {
      const outer = new Ring();
      outer.next = inner;
      return outer;
    }, new Ring());
    expect(inspect(deep).split('\n')).toHaveLength(11);
  });

  it('is one line within objects that are drawn', () => {
    expect(inspect({ a: { b: { c: { layer: new Linear(1, 1) } } } })).not.toContain('W: 1×1');
  });
});
