// `npm run story`: a trained model tells a story, with the published package.
import { fileURLToPath } from 'node:url';
import { capabilities, ShapeError, setKernels } from 'qkv';
import { printable, UsageError } from './shared/command-line.js';
import { fromCaller } from './shared/files.js';
import { watchOutput } from './shared/output.js';
import { HELP, parseArguments, type Settings } from './story/arguments.js';
import { loadStoryTeller, type StoryTeller } from './story/model.js';
import { Decoder, encode } from './story/tokenizer.js';

const BESIDE = '../shared/models/stories260K';

function storyTeller({ model }: Settings): StoryTeller {
  if (model !== undefined) return loadStoryTeller(fromCaller(model), model);
  return loadStoryTeller(fileURLToPath(new URL(`../../${BESIDE}`, import.meta.url)), BESIDE); // from build/examples
}

/** Writes the story token by token; returns the line about its speed. */
async function tell({ model, vocabulary }: StoryTeller, settings: Settings, isStopped: () => boolean): Promise<string> {
  const { prompt, tokens, cached, temperature, topK, topP, seed } = settings;
  const { bos, eos, pieces } = vocabulary;
  // A prompt that is too long even in the longest pieces is not encoded, because that takes quadratic time.
  const longest = pieces.reduce((most, { length }) => Math.max(most, length), 1);
  if (prompt.length > model.capacity * longest) {
    const given = `it has ${prompt.length} characters, a token at most ${longest}`;
    throw new UsageError(`the prompt must have at most ${model.capacity} tokens: ${given}`);
  }
  const ids = encode(vocabulary, prompt);
  const room = model.capacity - ids.length + 1;
  if (tokens > room) {
    const given = `the prompt has ${ids.length}, --tokens is ${tokens}`;
    throw new UsageError(`prompt and story must have at most ${model.capacity + 1} tokens: ${given}`);
  }
  const decoder = new Decoder(vocabulary);
  const write = (text: string) => process.stdout.write(printable(text));
  write(ids.map((id) => decoder.push(id)).join(''));
  const options = { maxTokens: tokens, temperature, topK, topP, seed, cached, stop: [bos, eos] };
  let count = 0;
  const start = performance.now();
  try {
    for await (const id of model.generate(ids, options)) {
      write(decoder.push(id));
      count++;
      if (isStopped()) break;
    }
  } finally {
    write(`${decoder.end()}\n`); // an error gets a line of its own
  }
  const seconds = (performance.now() - start) / 1000;
  const speed = (count / seconds).toPrecision(3);
  return `${count} tokens in ${seconds.toFixed(2)} s: ${Number(speed)} tokens/s, ${cached ? '' : 'un'}cached, ${capabilities().kernels}`;
}

async function main(): Promise<void> {
  const settings = parseArguments(process.argv.slice(2));
  if (settings === 'help') {
    process.stdout.write(HELP);
    return;
  }
  let stopped = false;
  watchOutput('npm run story', () => {
    stopped = true; // a reader that has seen enough: `npm run story | head -1`
  });
  setKernels(settings.kernels);
  const teller = storyTeller(settings);
  // From here on: while files are read, a signal ends the program at once.
  process.once('SIGINT', () => {
    stopped = true;
    process.exitCode = 130;
  });
  const speed = await tell(teller, settings, () => stopped);
  process.stderr.write(`${speed}\n`);
}

main().catch((error: unknown) => {
  // Weights may hold useless numbers, such as NaN; the library finds them when it samples the next token.
  if (!(error instanceof UsageError) && !(error instanceof ShapeError)) throw error;
  const hint = error instanceof UsageError ? '' : ' (are the weights those of a trained model?)';
  process.exitCode = 2;
  process.stderr.write(`npm run story: ${error.message}${hint}\n`);
});
