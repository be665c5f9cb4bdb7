import * as qkv from '../../src/index.js';
import { grammarFault } from './grammar.js';

// The page of messages, messages.txt, which says itself how it is read. This file knows of no test runner and reads no
// file: a bundle of it runs the page against the package.

/** A mistake as a user makes it, and what it is answered. */
export interface Mistake {
  /** The callable, by its name in the list of the public surface. */
  name: string;
  /** JavaScript, as it stands on the page. */
  call: string;
  /** The line of the page that the call is, from 0. */
  line: number;
  /** `name = value`: what the chapter makes its calls of. */
  where: readonly string[];
  /** The class of the error and its exact words; empty where the page has none yet. */
  answer: string;
}

const INDENT = '    ';

export function mistakesOn(page: string): Mistake[] {
  const mistakes: Mistake[] = [];
  let where: string[] | undefined; // none before the first chapter
  let name = '';
  for (const [line, text] of page.split('\n').entries()) {
    const [, mark, rest] = /^(#|##|where) (.*)/.exec(text) ?? [];
    if (mark === '#') where = [];
    else if (where === undefined || text === '') continue;
    else if (mark === 'where') where.push(rest);
    else if (mark === '##') name = rest;
    else if (text.startsWith(INDENT)) mistakes[mistakes.length - 1].answer = text.slice(INDENT.length);
    else mistakes.push({ name, call: text, line, where, answer: '' });
  }
  return mistakes;
}

/** The class and the words of the error that a mistake is answered with today, or what is wrong with it. */
export function answerTo({ call, where }: Mistake): string {
  const made = where.map((one) => `const ${one};\n`).join('');
  const prepare = new Function(...Object.keys(qkv), `'use strict';\n${made}return () => (${call});`);
  const run: () => unknown = prepare(...Object.values(qkv)); // everything is made afresh: no call sees another
  try {
    run();
  } catch (error) {
    return grammarFault(error) ?? `${(error as Error).name}: ${(error as Error).message}`;
  }
  return 'nothing is thrown';
}

/** The page with today's answers. */
export function answered(page: string): string {
  const calls = new Map(mistakesOn(page).map((mistake) => [mistake.line, mistake]));
  const lines = page.split('\n').flatMap((text, line) => {
    const mistake = calls.get(line);
    if (mistake !== undefined) return [text, INDENT + answerTo(mistake)];
    return text.startsWith(INDENT) ? [] : [text];
  });
  return lines.join('\n');
}
