import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { node } from './processes.js';
import { projectRoot } from './source-modules.js';

// The code that a reader can copy out of a Markdown page, and whether it does what the page says.

export interface Snippet {
  readonly language: string;
  /** The line of the page on which the code starts, from 1. */
  readonly line: number;
  readonly code: string;
}

/** Every fenced block, indented ones (in lists) included. */
export function snippets(markdown: string): Snippet[] {
  const found: Snippet[] = [];
  const lines = markdown.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const [, indent, fence, info] = /^(\s*)(`{3,}|~{3,})\s*([^`]*)$/.exec(lines[i]) ?? [];
    if (fence === undefined) continue;
    const start = i + 1;
    for (i = start; i < lines.length && lines[i].trim() !== fence; i++);
    if (i === lines.length) throw new Error(`line ${start}: the block is not closed`);
    const code = lines.slice(start, i).map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line));
    found.push({ language: info.trim().split(/\s/)[0], line: start + 1, code: code.join('\n') });
  }
  return found;
}

export const isProgram = ({ language }: Snippet): boolean =>
  ['ts', 'typescript', 'js', 'javascript', 'mjs'].includes(language);
export const isShell = ({ language }: Snippet): boolean => ['sh', 'bash', 'shell', 'console'].includes(language);

const ARROW = /^\/\/ → ?(.*)$/;

interface Expectation {
  readonly line: number;
  readonly text: string;
}

/**
 * The snippet in which every console.log followed by `// → text` is marked, so that its output can be told from the rest,
 * and what the marked calls must print. The comment follows the call in its line or on the lines below.
 */
function marked(snippet: Snippet): { code: string; expected: Expectation[] } {
  const source = ts.createSourceFile('snippet.ts', snippet.code, ts.ScriptTarget.ES2022, true);
  const lineOf = (position: number) => snippet.line + source.getLineAndCharacterOfPosition(position).line;
  const expected: Expectation[] = [];
  const places: number[] = [];
  const used = new Set<number>();

  const visit = (node: ts.Node): void => {
    if (ts.isExpressionStatement(node) && isConsoleLog(node.expression)) {
      const arrows = arrowsAfter(snippet.code, node.getEnd());
      if (arrows.length > 0) {
        places.push(node.getStart());
        expected.push({ line: lineOf(node.getStart()), text: arrows.map(({ text }) => text).join('\n') });
        for (const { position } of arrows) used.add(position);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);

  for (const { index } of snippet.code.matchAll(/\/\/ →/g)) {
    if (!used.has(index))
      throw new Error(`line ${lineOf(index)}: // → does not follow a console.log, so nothing checks it`);
  }
  let code = snippet.code;
  // From the last to the first, so that the places before stay where they are.
  for (let i = places.length - 1; i >= 0; i--) {
    code = `${code.slice(0, places[i])}globalThis.readmeMark(${i}).log${code.slice(places[i] + 'console.log'.length)}`;
  }
  return { code, expected };
}

function isConsoleLog(node: ts.Expression): boolean {
  return ts.isCallExpression(node) && node.expression.getText() === 'console.log';
}

/** The run of `// →` comments that starts right behind `end`: each on a line of its own but the first. */
function arrowsAfter(code: string, end: number): { text: string; position: number }[] {
  const found: { text: string; position: number }[] = [];
  for (const comment of ts.getTrailingCommentRanges(code, end) ?? []) add(comment.pos, comment.end);
  let position = code.indexOf('\n', end);
  while (position >= 0) {
    const [, space] = /^(\s*)/.exec(code.slice(position)) ?? [];
    const start = position + (space?.length ?? 0);
    const lineEnd = code.indexOf('\n', start);
    if (!add(start, lineEnd < 0 ? code.length : lineEnd)) break;
    position = lineEnd;
  }
  return found;

  function add(from: number, to: number): boolean {
    const [, text] = ARROW.exec(code.slice(from, to)) ?? [];
    if (text !== undefined) found.push({ text, position: from });
    return text !== undefined;
  }
}

// Collects what each mark prints; after the snippet has run, the list goes to stderr, after a separating line.
const MARKS_FOLLOW = '--- marks ---';
const PRELUDE = `
import { format as readmeFormat } from 'node:util';
const readmePrinted = [];
globalThis.readmeMark = (i) => ({ log: (...values) => { (readmePrinted[i] ??= []).push(readmeFormat(...values)); } });
process.on('exit', () => process.stderr.write('\\n${MARKS_FOLLOW}\\n' + JSON.stringify(readmePrinted)));
`;

/** Runs a snippet in a fresh process against the built package. @returns  what is wrong with it, [] if nothing is */
export function problemsWhenRun(snippet: Snippet): string[] {
  const { code, expected } = marked(snippet);
  // Inside the project, so that `qkv` is the package itself, reached through the exports of package.json.
  const folder = join(projectRoot, 'build', `readme-run-${process.pid}`);
  const file = join(folder, 'snippet.mjs');
  mkdirSync(folder, { recursive: true });
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true },
  });
  writeFileSync(file, `${PRELUDE}${outputText}`);
  const result = node([file], projectRoot);
  rmSync(folder, { recursive: true, force: true });
  if (result.code !== 0)
    return [`line ${snippet.line}: the snippet fails: ${result.output.split(MARKS_FOLLOW)[0].trim()}`];
  const printed: (string[] | null)[] = JSON.parse(result.stderr.split(`${MARKS_FOLLOW}\n`)[1]);
  return expected.flatMap(({ line, text }, i) => {
    const got = printed[i]?.join('\n');
    if (got === undefined) return [`line ${line}: the console.log is never reached`];
    return agrees(got, text) ? [] : [`line ${line}: the page says ${text}, the program prints ${got}`];
  });
}

/** The same text up to white space; `…` on the page stands for anything. */
function agrees(printed: string, page: string): boolean {
  const plain = (text: string) => text.replace(/\s+/g, ' ').trim();
  const parts = plain(page)
    .split('…')
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(plain(printed));
}

/** Checks the types of all snippets together, each a module of its own, against the declarations of the built package. */
export function typeProblems(list: readonly Snippet[]): string[] {
  const nameOf = (i: number) =>
    join(projectRoot, 'build/readme', `snippet-${i}.${list[i].language.startsWith('t') ? 'ts' : 'js'}`);
  const files = new Map(list.map((snippet, i) => [nameOf(i), `${snippet.code}\nexport {};\n`]));
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    moduleDetection: ts.ModuleDetectionKind.Force,
    lib: ['lib.es2022.d.ts'],
    types: ['node'],
    typeRoots: [join(projectRoot, 'node_modules/@types')],
    strict: true,
    allowJs: true,
    checkJs: true,
    skipLibCheck: true,
    noEmit: true,
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (path) => files.has(path) || fileExists(path);
  host.readFile = (path) => files.get(path) ?? readFile(path);
  host.getSourceFile = (path, languageVersion) => {
    const text = files.get(path);
    return text === undefined ? getSourceFile(path, languageVersion) : ts.createSourceFile(path, text, languageVersion);
  };
  const program = ts.createProgram([...files.keys()], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ file, start = 0, messageText }) => {
    const text = ts.flattenDiagnosticMessageText(messageText, '\n');
    const index = file ? [...files.keys()].indexOf(file.fileName) : -1;
    if (!file || index < 0) return text;
    return `line ${list[index].line + file.getLineAndCharacterOfPosition(start).line}: ${text}`;
  });
}

/** What a shell snippet names that the project does not have. Understands only npm, npx vitest run, git clone and cd. */
export function shellProblems(snippet: Snippet, scripts: Readonly<Record<string, string>>): string[] {
  return snippet.code.split('\n').flatMap((text, i) => {
    const command = text
      .replace(/(^|\s)#.*$/, '')
      .replace(/^\s*\$\s+/, '')
      .trim();
    return command
      .split(/\s*&&\s*/)
      .filter((part) => part !== '' && commandIsWrong(part, scripts))
      .map((part) => `line ${snippet.line + i}: ${part}: no such script, or a command that this test cannot judge`);
  });
}

const isThere = (path: string) => existsSync(join(projectRoot, path));

function commandIsWrong(command: string, scripts: Readonly<Record<string, string>>): boolean {
  const [program, first, second, ...rest] = command.replace(/^(\w+=\S*\s+)+/, '').split(/\s+/);
  if (program === 'cd' || (program === 'git' && first === 'clone')) return false;
  if (program === 'npx') return first !== 'vitest' || second !== 'run' || !rest.every(isThere);
  if (program !== 'npm') return true;
  if (first === 'start' || first === 'test') return !(first in scripts);
  if (first === 'cit') return !('test' in scripts);
  if (first === 'run') return second === undefined || !(second in scripts);
  if (first === 'ci') return false;
  if (first === 'install' || first === 'i') return second !== undefined && (second !== 'qkv' || rest.length > 0);
  return true;
}
