import { join } from 'node:path';
import { CausalLM, readSafetensors, ShapeError } from 'qkv';
import { quote, UsageError } from '../shared/command-line.js';
import { readBytes } from '../shared/files.js';
import { checkVocabulary, type Vocabulary } from './tokenizer.js';

// stories260K: Andrej Karpathy's smallest model of TinyStories, https://huggingface.co/karpathy/tinyllamas. Its weights
// say all but these.
const NUM_HEADS = 8;
/** Positions that it was trained on. */
const CAPACITY = 512;

/** Kernel memory holds 2 GiB of weights. */
const MOST_WEIGHTS = 2 ** 31;
/** A vocabulary of a million pieces. */
const MOST_VOCABULARY = 1 << 26;

export interface StoryTeller {
  model: CausalLM;
  vocabulary: Vocabulary;
}

/** @param folder  with model.safetensors and vocab.json @param shown  the folder as the user wrote it @throws UsageError */
export function loadStoryTeller(folder: string, shown: string): StoryTeller {
  const read = (name: string, most: number) => {
    const what = `--model must be a folder with ${name}`;
    return { what, bytes: readBytes(what, join(folder, name), join(shown, name), most) };
  };
  const weights = read('model.safetensors', MOST_WEIGHTS);
  const vocabulary = read('vocab.json', MOST_VOCABULARY);
  const model = understood(weights.what, () =>
    CausalLM.fromTorch(readSafetensors(weights.bytes), { numHeads: NUM_HEADS, capacity: CAPACITY }).eval(),
  );
  const json = understood(vocabulary.what, () => JSON.parse(vocabulary.bytes.toString()) as unknown);
  return { model, vocabulary: checkVocabulary(join(shown, 'vocab.json'), json, model.embedding.table.rows) };
}

/** A damaged file is reported as the user's mistake, without a stack trace. */
function understood<Result>(what: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ShapeError || error instanceof TypeError || error instanceof SyntaxError)) throw error;
    throw new UsageError(`${what} that can be read: ${quote(error.message).slice(1, -1)}`);
  }
}
