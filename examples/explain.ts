// `npm start`: self-attention of a text, step by step, computed with the published package.
import { capabilities } from 'qkv';
import { HELP, parseArguments, type Settings } from './explain/arguments.js';
import { readText, writeSvg } from './explain/files.js';
import { buildModel } from './explain/model.js';
import { count, type Medium, Page, shown } from './explain/page.js';
import { explainSharing } from './explain/sharing.js';
import { explainAttention, explainFocus, explainInput, stepsSvg } from './explain/steps.js';
import { explainSummary, summarize, summarySvg } from './explain/summary.js';
import { findFocus, tokenize } from './explain/tokens.js';
import { UsageError } from './shared/command-line.js';
import { watchOutput } from './shared/output.js';

/** Texts with more tokens are summarized: a page has room for about this many columns. */
const MOST_TOKENS = 32;

/** The page, and whether all its checks hold. */
function explain(settings: Settings, medium: Medium): { page: Page; holds: boolean } {
  const source = settings.file === undefined ? settings.text : readText(settings.file);
  const text = tokenize(source);
  if (text.tokens.length === 0) throw new UsageError('the text must have at least one word: got none');
  const focus = findFocus(text, settings.focus);
  const model = buildModel(text, settings);
  const page = new Page(medium);
  writeHead(page, settings, source);

  let svg: () => string;
  let holds: boolean;
  if (text.tokens.length > MOST_TOKENS) {
    const summary = summarize(settings, text, model, focus);
    holds = explainSummary(page, summary);
    svg = () => summarySvg(summary);
  } else {
    const explained = { settings, text, model, trace: model.attention.trace(model.x), focus };
    explainInput(page, explained);
    explainAttention(page, explained);
    holds = explainFocus(page, explained);
    svg = () => stepsSvg(explained);
  }
  explainSharing(page, model, text, focus);
  page.line();
  if (settings.svg !== undefined) {
    writeSvg(settings.svg, svg(), settings.file);
    page.line(`Heat maps written to ${shown(settings.svg, 200)}.`);
  }
  page.say('In a Transformer the heads go on through W_O (MultiHeadAttention has it). For the options: --help');
  return { page, holds };
}

function writeHead(page: Page, settings: Settings, source: string): void {
  const { heads, dModel, causal, seed } = settings;
  page.title(`Self-attention of ${shown(source.slice(0, 200).trim().replace(/\s+/g, ' '), page.medium.width - 20)}`);
  const sight = causal ? 'causal: a word sees itself and the words before it' : 'every word sees every word';
  page.say(`${count(heads, 'head')}, dModel ${dModel}, dK = dV = ${dModel / heads}; ${sight}`);
  page.line(`weights drawn from seed ${seed}, not trained; kernels: ${capabilities().kernels}`);
}

/** FORCE_COLOR decides, then NO_COLOR, then whether the output is a terminal. */
function wantsColor(): boolean {
  const { FORCE_COLOR: force, NO_COLOR: no, TERM: terminal } = process.env;
  if (force) return force !== '0' && force !== 'false';
  return !no && process.stdout.isTTY === true && terminal !== 'dumb';
}

function main(): void {
  watchOutput('npm start', () => {});
  try {
    const settings = parseArguments(process.argv.slice(2));
    if (settings === 'help') {
      process.stdout.write(HELP);
      return;
    }
    const width = Math.min(110, Math.max(60, (process.stdout.isTTY && process.stdout.columns) || 80));
    const { page, holds } = explain(settings, { color: wantsColor(), width });
    if (!holds) process.exitCode = 1;
    process.stdout.write(page.toString());
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.exitCode = 2;
    process.stderr.write(`npm start: ${error.message}\n`);
  }
}

main();
