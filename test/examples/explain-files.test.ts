import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { attentionWeights, Embedding, SelfAttention, sinusoidalPositions } from 'qkv';
import { beforeAll, describe, expect, it } from 'vitest';
import { requireBuilt } from '../support/built.js';
import { temporaryFolder } from '../support/temporary.js';
import { allElements, parseXml, textOf } from '../support/xml.js';
import { explain, PROGRAM, pageOf, section, vectorOf } from './page.js';

// Text files, SVG files and mistakes.

beforeAll(requireBuilt);

describe('--svg', () => {
  it('writes the heat maps of the page, and nothing else', () => {
    const folder = temporaryFolder();
    const path = join(folder, 'out.svg');
    const page = pageOf(['--causal', '--svg', path]);
    expect(readdirSync(folder)).toEqual(['out.svg']);
    const svg = parseXml(readFileSync(path, 'utf8'));
    expect(svg.attributes.get('aria-label')).toBe('Attention weights of “I am a robot”, causal');
    const tips = allElements(svg)
      .filter(({ name, children }) => name === 'rect' && children.length > 0)
      .map(textOf);
    expect(tips).toHaveLength(2 * 4 * 4);
    expect(tips).toEqual(expect.arrayContaining(['I → I: 1', 'I → robot: 0']));
    const values = tips.map((tip) =>
      Number(tip.split(': ')[1])
        .toFixed(2)
        .replace(/^0\.00$/, '0'),
    );
    const map = section(page, 'Weights =').join('\n');
    for (const value of values) expect(map).toContain(` ${value}`);
    expect(page).toContain('Heat maps written to');
  });

  it('replaces an older file, and a mistake leaves it as it was', () => {
    const path = join(temporaryFolder(), 'out.svg');
    writeFileSync(path, 'old');
    expect(explain(['--svg', path, '--focus', 'nobody']).code).toBe(2);
    expect(readFileSync(path, 'utf8')).toBe('old');
    pageOf(['--svg', path]);
    expect(readFileSync(path, 'utf8')).toMatch(/^<svg/);
  });

  it('and --file are relative to the folder in which npm start was called', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'text.txt'), 'a robot from a file');
    const page = pageOf(['--file', 'text.txt', '--svg', 'out.svg'], { npm_lifecycle_event: 'start', INIT_CWD: folder });
    expect(page).toContain('Self-attention of “a robot from a file”');
    expect(existsSync(join(folder, 'out.svg'))).toBe(true);
  });
});

describe('mistakes get one clear line, exit code 2, and nothing else', () => {
  const folder = () => {
    const path = temporaryFolder();
    mkdirSync(join(path, 'inner'));
    writeFileSync(join(path, 'empty.txt'), ' \n\t ');
    writeFileSync(join(path, 'bytes.txt'), Uint8Array.of(0xff, 0xfe, 0xc3, 0x28));
    return path;
  };

  it.each([
    [['--color'], 'every option must be known: got "--color" (try --help)'],
    [['-x'], 'every option must be known: got "-x" (try --help)'],
    [['--no-causal'], 'every option must be known: got "--no-causal" (try --help)'],
    [['--heads'], '--heads must have a value: got none (try --help)'],
    [['--focus', '--causal'], '--focus must have a value: got "--causal" (try --help)'],
    [['--svg='], '--svg must have a value: got none (try --help)'],
    [['--causal=yes'], '--causal must have no value: got "yes"'],
    [['--seed', '1', '--seed', '2'], '--seed must be given once: got it again'],
    [['--heads', 'two'], '--heads must be an integer from 1 to 64: got "two"'],
    [['--heads', '0'], '--heads must be an integer from 1 to 64: got "0"'],
    [['--d-model', '8.5'], '--d-model must be an integer from 1 to 4096: got "8.5"'],
    [['--d-model', '1e9'], '--d-model must be an integer from 1 to 4096: got "1e9"'],
    [['--seed', '-1'], '--seed must be an integer from 0 to 2147483647: got "-1"'],
    [['--heads', '4', '--d-model', '10'], '--d-model must be divisible by --heads: 10 is not divisible by 4'],
    [
      ['--heads', '3'],
      '--d-model must be divisible by --heads: 8 is not divisible by 3 (give --d-model, for example 9)',
    ],
    [['--focus', 'dog'], '--focus must be a word of the text: got "dog" (its words: I, am, a, robot)'],
    [['--focus', 'x\u001b[2J'], '--focus must be a word of the text: got "x\\u001b[2J" (its words: I, am, a, robot)'],
    [[''], 'the text must have at least one word: got none'],
    [[' \n '], 'the text must have at least one word: got none'],
    [['--file', 'none.txt'], '--file must be a readable UTF-8 text: "none.txt" does not exist'],
    [['--file', '.'], '--file must be a readable UTF-8 text: "." is a folder'],
    [['--file', 'bytes.txt'], '--file must be a readable UTF-8 text: "bytes.txt" is not UTF-8'],
    [['--file', 'empty.txt'], 'the text must have at least one word: got none'],
    [['--file', 'empty.txt', 'hello'], 'the text must come from one place: got --file and "hello"'],
    [['--svg', 'inner'], '--svg must be a place to write a file: "inner" is a folder'],
    [['--svg', 'none/out.svg'], '--svg must lie in a folder that exists: got "none/out.svg"'],
    [['--svg', 'bytes.txt/out.svg'], '--svg must be a place to write a file: "bytes.txt/out.svg" leads through a file'],
  ])('%j', (args, message) => {
    const cwd = folder();
    const before = readdirSync(cwd);
    const withSvg = args.some((arg) => arg.startsWith('--svg')) ? args : [...args, '--svg', 'out.svg'];
    const tried = message.includes('must have a value: got none') ? args : withSvg;
    expect(explain(tried, {}, cwd)).toEqual({ code: 2, stdout: '', stderr: `npm start: ${message}\n` });
    expect(readdirSync(cwd)).toEqual(before);
  });

  it('the text is not overwritten by its heat map', () => {
    const cwd = folder();
    writeFileSync(join(cwd, 'text.txt'), 'a robot');
    const { code, stderr } = explain(['--file', 'text.txt', '--svg', './text.txt'], {}, cwd);
    expect([code, stderr]).toEqual([2, 'npm start: --svg must not be the file of the text: got "./text.txt"\n']);
    expect(readFileSync(join(cwd, 'text.txt'), 'utf8')).toBe('a robot');
  });
});

it.skipIf(process.platform === 'win32')('a reader that stops early (| head) sees no stack trace', () => {
  const script = '"$0" "$1" --d-model 512 --heads 64 | head -n 1; "$0" "$1" | true';
  const { stdout, stderr } = spawnSync('sh', ['-c', script, process.execPath, PROGRAM], { encoding: 'utf8' });
  expect(stdout).toBe('Self-attention of “I am a robot”\n');
  expect(stderr).toBe('');
});

describe('a long text', () => {
  // 4000 tokens of a vocabulary of 12, in an order without a short period.
  const vocabulary = 'the robot reads a long book about other robots while it rests'.split(' ');
  const ids = Array.from({ length: 4000 }, (_, i) => (i < 12 ? i : (i * i + 7 * (i >> 4)) % 12));
  const write = () => {
    const path = join(temporaryFolder(), 'long.txt');
    writeFileSync(path, ids.map((id) => vocabulary[id]).join('\n'));
    return path;
  };

  it.each([[[]], [['--causal']]])('gets a summary and the focus row in seconds (%j)', (options) => {
    const page = pageOf(['--file', write(), '--focus', 'other', ...options]);
    expect(page.length).toBeLessThan(12_000);
    for (const line of page.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    expect(page).toContain('4000 tokens, vocabulary of 12');
    expect(page).toContain('32,000,000 scores');

    // The row by itself, from the library: position 7 is the first “other”.
    const x = new Embedding(12, 8, { seed: 1 }).forward(ids).add(sinusoidalPositions(4000, 8));
    const layer = new SelfAttention({ dModel: 8, numHeads: 2, seed: 2 });
    const query = x.sliceRows(7, 8).matmul(layer.W_Q);
    const causal = options.length > 0;
    const weights = attentionWeights(query, x.matmul(layer.W_K), { numHeads: 2, causal, causalOffset: 7 });
    const listed = [...page.matchAll(/^ {3}(\d\.\d{4}) {2}█* * (\d+) “(\w+)”$/gm)];
    expect(listed).toHaveLength(16);
    listed.forEach(([, weight, position, word], n) => {
      const { data } = weights[n < 8 ? 0 : 1];
      const ranked = Float32Array.from(data).sort().reverse();
      expect(word).toBe(vocabulary[ids[Number(position)]]);
      // Four decimals: half a unit of the last, and a rounding of float32.
      expect(Math.abs(Number(weight) - data[Number(position)])).toBeLessThanOrEqual(5e-5 + 1e-7);
      expect(data[Number(position)]).toBe(ranked[n % 8]);
    });

    const lines = section(page, 'written out');
    for (const head of [0, 1]) {
      const start = lines.findIndex((line) => line.includes(`head ${head}`));
      const sum = lines.findIndex((line, i) => i > start && line.endsWith('the sum, in float64'));
      expect(lines[sum - 1]).toContain('3996 more terms');
      expect(vectorOf(lines[sum])).toEqual(vectorOf(lines[sum + 1]));
      expect(lines[sum + 2]).toContain('✓');
    }
    expect(page).toContain('“other” stands at 7 and at ');
  });

  it('has an SVG of the words that the focus row attends to most', () => {
    const path = write();
    pageOf(['--file', path, '--svg', `${path}.svg`]);
    const svg = parseXml(readFileSync(`${path}.svg`, 'utf8'));
    const cells = allElements(svg).filter(({ name, children }) => name === 'rect' && children.length > 0);
    expect(cells.length).toBeGreaterThanOrEqual(2 * 4);
    expect(cells.length).toBeLessThanOrEqual(2 * 8);
    expect(svg.attributes.get('aria-label')).toMatch(/^What “\w+” \(position 3999 of 4000\) attends to most$/);
  });

  it('of a hundred thousand tokens has its focus row all the same', () => {
    const path = join(temporaryFolder(), 'longer.txt');
    writeFileSync(path, 'the robot reads a book '.repeat(20_000));
    const page = pageOf(['--file', path, '--causal']);
    expect(page).toContain('100000 tokens, vocabulary of 5');
    expect(page).toContain('only the row in focus is computed');
    expect(page.match(/✓/g)).toHaveLength(2);
  });
});
