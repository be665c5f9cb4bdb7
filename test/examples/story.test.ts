import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { CausalLM, readSafetensors, writeSafetensors } from 'qkv';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseArguments } from '../../examples/story/arguments.js';
import { loadStoryTeller } from '../../examples/story/model.js';
import { checkVocabulary, Decoder, encode, type Vocabulary } from '../../examples/story/tokenizer.js';
import { requireBuilt } from '../support/built.js';
import { describeCases, storiesCases, storiesPath } from '../support/conformance.js';
import { node, run } from '../support/processes.js';
import { fc } from '../support/property.js';
import { projectRoot } from '../support/source-modules.js';
import { temporaryFolder } from '../support/temporary.js';

beforeAll(requireBuilt);

const PROGRAM = join(projectRoot, 'build/examples/story.js');

/** <unk>, BOS, EOS, the bytes, a few characters and what they become. */
const WORDS = [' ', 'a', 'b', 'c', 'é', 'ab', ' a', ' ab', 'bc', 'abc', '\u001b'];
const VOCABULARY: Vocabulary = {
  pieces: ['<unk>', '\n<s>\n', '\n</s>\n', ...Array.from({ length: 256 }, (_, byte) => `<0x${byte}>`), ...WORDS],
  scores: [...new Array<number>(259).fill(0), 0, 0, 0, 0, 0, -1, -5, -6, -2, -3, 0],
  bos: 1,
  eos: 2,
  first_byte_token: 3,
};
const id = (word: string) => 259 + WORDS.indexOf(word);

/** All tokens as they are written. */
function text(vocabulary: Vocabulary, ids: readonly number[]): string {
  const decoder = new Decoder(vocabulary);
  return ids.map((token) => decoder.push(token)).join('') + decoder.end();
}

/** A folder with a model of that vocabulary that has learned nothing. */
function untrained(): string {
  const folder = temporaryFolder();
  const sizes = { vocabularySize: VOCABULARY.pieces.length, dModel: 16, numLayers: 1, numHeads: 8 };
  const model = new CausalLM({ ...sizes, activation: 'swiglu', norm: 'rms', rope: { interleaved: true }, seed: 5 });
  writeFileSync(join(folder, 'model.safetensors'), writeSafetensors(model.toTorch({ layout: 'meta' })));
  writeFileSync(join(folder, 'vocab.json'), JSON.stringify(VOCABULARY));
  return folder;
}

describe('the tokenizer of npm run story', () => {
  it('merges the best-scored neighbors first', () => {
    expect(encode(VOCABULARY, '')).toEqual([1]);
    expect(encode(VOCABULARY, 'b')).toEqual([1, id(' '), id('b')]);
    expect(encode(VOCABULARY, 'abc')).toEqual([1, id(' '), id('abc')]); // ab, then abc: not bc, not " a"
    expect(encode(VOCABULARY, 'ab')).toEqual([1, id(' ab')]);
    const alike = { ...VOCABULARY, scores: VOCABULARY.scores.map(() => 0) };
    expect(encode(alike, 'abc')).toEqual([1, id(' ab'), id('c')]); // of equal scores the first pair
    const twice = VOCABULARY.pieces.map((piece) => (piece === 'c' ? 'b' : piece));
    expect(encode({ ...VOCABULARY, pieces: twice }, 'b')).toEqual([1, id(' '), id('b')]); // of equal pieces the first
  });

  it('writes characters that are no piece as bytes, and back when they are whole', () => {
    expect(encode(VOCABULARY, 'é€')).toEqual([1, id(' '), id('é'), 3 + 0xe2, 3 + 0x82, 3 + 0xac]);
    const decoder = new Decoder(VOCABULARY);
    expect([1, id(' a'), 3 + 0xe2, 3 + 0x82, 3 + 0xac].map((token) => decoder.push(token))).toEqual([
      '',
      'a',
      '',
      '',
      '€',
    ]);
    expect(decoder.push(id(' a'))).toBe(' a'); // only the space after BOS was put there
    expect([decoder.push(3 + 0xe2), decoder.end()]).toEqual(['', '�']);
  });

  // The second has no piece of a plain space: the one that stands before the text is a byte there.
  const pieces = VOCABULARY.pieces.map((piece) => (piece === ' ' ? '<none>' : piece));
  it.each([VOCABULARY, { ...VOCABULARY, pieces }])('gives back every text (%#)', (vocabulary) => {
    const whole = fc.string({ unit: 'grapheme' }).filter((given) => !/\p{Cs}/u.test(given));
    const near = fc.string({ unit: fc.constantFrom(' ', 'a', 'b', 'c', 'é', '\n', '\0', '\ufeff', '🙂') });
    fc.assert(
      fc.property(fc.oneof(whole, near), (given) => {
        expect(text(vocabulary, encode(vocabulary, given))).toBe(given);
      }),
      { numRuns: 300, examples: [['\ufeffa'], [' a'], ['  '], ['']] },
    );
  });

  it.each([
    [null, 'pieces, a list of texts'],
    [{ ...VOCABULARY, pieces: [1] }, 'pieces, a list of texts'],
    [{ ...VOCABULARY, scores: [1] }, 'scores, a number for each of the 270 pieces'],
    [{ ...VOCABULARY, scores: VOCABULARY.scores.map(() => null) }, 'scores, a number for each of the 270 pieces'],
    [
      { ...VOCABULARY, pieces: VOCABULARY.pieces.slice(1) },
      'a piece for each of the 270 tokens of the model: it has 269',
    ],
    [{ ...VOCABULARY, bos: 270 }, 'bos, an id'],
    [{ ...VOCABULARY, eos: '2' }, 'eos, an id'],
    [{ ...VOCABULARY, first_byte_token: 15 }, 'first_byte_token, an id with 255 more behind it'],
  ])('refuses what is no vocabulary (%#)', (json, rule) => {
    expect(() => checkVocabulary('v', json, 270)).toThrow(`v must have ${rule}`);
  });
});

describe('npm run story', () => {
  it('needs no more than its model, and tells the same story again', () => {
    const folder = untrained();
    const tell = (...args: string[]) => node([PROGRAM, 'ab', '--model', '.', '--tokens', '30', ...args], folder);
    const first = tell();
    expect(first.stdout.startsWith('ab')).toBe(true);
    expect(first.stderr).toMatch(/^\d+ tokens in \d+\.\d\d s: [\d.]+ tokens\/s, cached, wasm-simd\n$/);
    expect(first.code).toBe(0);
    expect(first.stdout).not.toMatch(/[^\P{Cc}\n\t]/u); // half of its tokens are bytes: no escape sequence comes through
    for (const args of [[], ['--kernels', 'javascript'], ['--uncached'], ['--top-k', '270']]) {
      expect(tell(...args).stdout, args.join(' ')).toBe(first.stdout);
    }
    expect(tell('--kernels', 'javascript').stderr).toMatch(/javascript\n$/);
    expect(tell('--uncached').stderr).toContain('uncached');
    const others = [
      ['--seed', '2'],
      ['--temperature', '0'],
      ['--top-k', '3'],
      ['--top-p', '0.2'],
      ['--tokens', '5'],
    ];
    for (const args of others)
      expect(node([PROGRAM, 'ab', '--model', '.', ...args], folder).stdout, args[0]).not.toBe(first.stdout);
    expect(node([PROGRAM, 'abc', '--model', '.'], folder).stdout.startsWith('abc')).toBe(true);
  });

  it('shows its options', () => {
    const { code, stdout } = node([PROGRAM, '--help'], projectRoot);
    expect(code).toBe(0);
    const options = ['tokens', 'temperature', 'top-k', 'top-p', 'seed', 'uncached', 'kernels', 'model', 'help'];
    expect([...stdout.matchAll(/^ .*--([\w-]+)/gm)].map(([, name]) => name)).toEqual(options);
  });

  it.each([
    [['--token', '3'], 'every option must be known: got "--token" (try --help)'],
    [['a', 'b'], 'there must be one prompt: got "b" too (a prompt of several words stands in quotes)'],
    [['--tokens', '0'], '--tokens must be an integer from 1 to 512: got "0"'],
    [['--temperature', ' '], '--temperature must be a number above 0 and at most 5: got " "'],
    [['--temperature', 'hot'], '--temperature must be a number above 0 and at most 5: got "hot"'],
    [['--top-p', '1.5'], '--top-p must be a number above 0 and at most 1: got "1.5"'],
    [['--top-k', '0'], '--top-k must be an integer from 1 to 1000000000: got "0"'],
    [['--kernels', 'gpu'], '--kernels must be one of auto, wasm-simd, javascript, reference, float64: got "gpu"'],
  ])('%s', (args, message) => {
    expect(() => parseArguments(args)).toThrow(message);
  });

  it('says what is missing, damaged or too long in one line', () => {
    const folder = untrained();
    const told = (...args: string[]) => {
      const { code, stdout, stderr } = node([PROGRAM, ...args], folder);
      expect([code, stdout]).toEqual([2, '']);
      return stderr;
    };
    const model = (name: string) => `npm run story: --model must be a folder with ${name}`;
    expect(told('--model', 'none')).toBe(`${model('model.safetensors')}: "none/model.safetensors" does not exist\n`);
    expect(told('a'.repeat(600), '--model', '.')).toBe(
      'npm run story: prompt and story must have at most 513 tokens: the prompt has 601, --tokens is 200\n',
    );
    expect(told('ab'.repeat(50_000), '--model', '.')).toBe(
      'npm run story: the prompt must have at most 512 tokens: it has 100000 characters, a token at most 7\n',
    );
    expect(told('--tokens', '0')).toMatch(/^npm run story: --tokens must be/);
    const weights = readFileSync(join(folder, 'model.safetensors'));
    writeFileSync(join(folder, 'model.safetensors'), weights.subarray(0, 999));
    expect(told('--model', '.')).toMatch(
      /^npm run story: --model must be a folder with model.safetensors that can be read: readSafetensors: .*\n$/,
    );
    const state = readSafetensors(weights);
    for (const { data } of state.values()) data.fill(Number.NaN as never);
    writeFileSync(join(folder, 'model.safetensors'), writeSafetensors(state));
    const broken = node([PROGRAM, '--model', '.'], folder);
    expect([broken.code, broken.stdout]).toEqual([2, 'Once upon a time\n']);
    expect(broken.stderr).toMatch(/^npm run story: CausalLM.generate: the logits .* NaN \(are the weights .*\)\n$/);
    writeFileSync(join(folder, 'model.safetensors'), weights);
    writeFileSync(join(folder, 'vocab.json'), '{"pieces": ');
    expect(told('--model', '.')).toMatch(
      /^npm run story: --model must be a folder with vocab.json that can be read: .*\n$/,
    );
    writeFileSync(join(folder, 'vocab.json'), '{}');
    expect(told('--model', '.')).toBe('npm run story: vocab.json must have pieces, a list of texts\n');
  });
});

describe.skipIf(process.platform === 'win32')('npm run story, left early,', () => {
  const LONG = ['ab', '--model', '.', '--tokens', '500', '--temperature', '0', '--uncached', '--kernels', 'reference'];

  it('ends its line at Ctrl-C, and says how fast it was', async () => {
    const child = spawn(process.execPath, [PROGRAM, ...LONG], { cwd: untrained(), stdio: 'pipe' });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => {
      if (stdout === '') child.kill('SIGINT');
      stdout += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    expect(await new Promise((resolve) => child.on('close', (code, signal) => resolve(signal ?? code)))).toBe(130);
    expect([stdout.slice(0, 2), stdout.at(-1)]).toEqual(['ab', '\n']);
    expect(Number(/^(\d+) tokens in .*\n$/.exec(stderr)?.[1])).toBeLessThan(500);
  });

  it('ends when its reader has gone (| head)', () => {
    const script = '"$0" "$@" | head -c 2';
    const { stdout, stderr } = run('sh', ['-c', script, process.execPath, PROGRAM, ...LONG], untrained());
    expect(stdout).toBe('ab');
    expect(Number(/^(\d+) tokens in .*\n$/.exec(stderr)?.[1])).toBeLessThan(500);
  });
});

const folder = storiesPath();

describeCases(
  'stories260K tells',
  folder === undefined ? undefined : storiesCases(),
  2,
  async ({ tokens, greedyFrom }) => {
    const { model } = loadStoryTeller(folder as string, 'stories260K');
    const prompt = tokens.slice(0, greedyFrom + 1);
    for (const cached of [true, false]) {
      const ids: number[] = [];
      const options = { temperature: 0, maxTokens: tokens.length - prompt.length, cached };
      for await (const token of model.generate(prompt, options)) ids.push(token);
      expect([...prompt, ...ids], `cached: ${cached}`).toEqual(tokens);
    }
  },
);

describe.skipIf(folder === undefined)('stories260K', () => {
  it('has every text of the golden file as its ids', () => {
    const { vocabulary } = loadStoryTeller(folder as string, 'stories260K');
    const golden = JSON.parse(readFileSync(join(folder as string, 'golden.json'), 'utf8')) as {
      tokenizer: { text: string; ids: number[] }[];
    };
    expect(golden.tokenizer.length).toBeGreaterThan(3);
    for (const one of golden.tokenizer) {
      expect(encode(vocabulary, one.text), one.text).toEqual(one.ids);
      expect(text(vocabulary, one.ids)).toBe(one.text);
    }
  });

  it('tells the same story with the cache as without', () => {
    const tell = (...args: string[]) => {
      return node([PROGRAM, 'One day, Tom', '--model', folder as string, '--temperature', '0', ...args], projectRoot);
    };
    const story = tell();
    expect(story.stdout).toMatch(/^One day, Tom and .* park/);
    expect(story.stderr).toMatch(/^200 tokens in/);
    expect(tell('--uncached').stdout).toBe(story.stdout);
  });
});
