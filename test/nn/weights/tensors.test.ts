import { describe, expect, it } from 'vitest';
import { bias, buffer, linear, matrix, vector, within } from '../../../src/nn/weights/tensors.js';

describe('the tensors of a layout', () => {
  it('say whose columns they hold, and which of them go together', () => {
    expect(linear('ab', 'A B', 'in', 'out')).toEqual({
      name: 'ab',
      parts: ['A', 'B'],
      form: 'linear',
      rows: 'in',
      cols: 'out',
      group: undefined,
    });
    expect(matrix('c', 'C', 'in', 'out').form).toBe('matrix');
    expect(vector('g', 'gain', 'out', 'norms').group).toBe('norms');
    expect(bias('a.bias', 'a', 'out').group).toBe('a.bias');
    expect(buffer('steps').parts).toEqual([]);
  });

  it('within puts both names behind those of the whole, and keeps the group', () => {
    const [a, steps] = within('layer.', 'part.', [bias('a.bias', 'a b', 'out'), buffer('steps')]);
    expect([a.name, a.parts, a.group]).toEqual(['layer.a.bias', ['part.a', 'part.b'], 'a.bias']);
    expect([steps.name, steps.parts]).toEqual(['layer.steps', []]);
  });
});
