import { describe, expect, it } from 'vitest';
import { HELP, parseArguments, UsageError } from '../../bench/arguments.js';

describe('parseArguments', () => {
  it('has defaults', () => {
    expect(parseArguments([])).toEqual({ cases: [], kernels: ['auto'], peers: false, quick: false, rounds: 15 });
    expect(parseArguments(['--quick'])).toMatchObject({ quick: true, rounds: 3 });
  });

  it('reads every option', () => {
    const given = '--case a --case=b --kernels wasm-simd,reference --peers --quick --rounds 5 --json x --markdown y';
    expect(parseArguments([...given.split(' '), '--update-readme', 'z'])).toEqual({
      cases: ['a', 'b'],
      kernels: ['wasm-simd', 'reference'],
      peers: true,
      quick: true,
      rounds: 5,
      json: 'x',
      markdown: 'y',
      updateReadme: 'z',
    });
  });

  it.each([['--help'], ['-h'], ['--rounds', '2', '--help']])('shows help: %s', (...args) => {
    expect(parseArguments(args)).toBe('help');
  });

  it('has every option on the help page', () => {
    const names = ['case', 'kernels', 'peers', 'rounds', 'quick', 'json', 'markdown', 'update-readme', 'help'];
    for (const name of names) expect(HELP).toContain(`--${name}`);
  });

  it.each([
    [['--fast'], 'every option must be known: got "--fast" (try --help)'],
    [['matmul'], 'every word must belong to an option: got "matmul" (try --help)'],
    [['--rounds'], '--rounds must have a value: got none (try --help)'],
    [['--case', '--quick'], '--case must have a value: got "--quick" (try --help)'],
    [['--json='], '--json must have a value: got none (try --help)'],
    [['--peers=yes'], '--peers must have no value: got "yes"'],
    [['--quick', '--quick'], '--quick must be given once: got it again'],
    [['--rounds', '0'], '--rounds must be an integer from 1 to 1000: got "0"'],
    [['--rounds', '2.5'], '--rounds must be an integer from 1 to 1000: got "2.5"'],
    [['--rounds', '1e3'], '--rounds must be an integer from 1 to 1000: got "1e3"'],
    [
      ['--kernels', 'wasm'],
      '--kernels must name some of auto, wasm-simd, javascript, reference, each once: got "wasm"',
    ],
    [['--kernels', 'float64'], '--kernels must name some of'],
    [['--kernels', 'auto,auto'], '--kernels must name some of'],
    [['--kernels', 'auto,'], '--kernels must name some of'],
  ])('refuses %j', (args, message) => {
    expect(() => parseArguments(args)).toThrow(UsageError);
    expect(() => parseArguments(args)).toThrow(message);
  });
});
