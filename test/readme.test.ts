import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { requireBuilt } from './support/built.js';
import { isProgram, isShell, problemsWhenRun, shellProblems, snippets, typeProblems } from './support/readme.js';
import { projectRoot } from './support/source-modules.js';

const { scripts } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};
const readme = join(projectRoot, 'README.md');
const page = existsSync(readme) ? snippets(readFileSync(readme, 'utf8')) : [];

beforeAll(requireBuilt);

describe('README.md', () => {
  it('has programs and commands', () => {
    expect(page.filter(isProgram).length).toBeGreaterThan(0);
    expect(page.filter(isShell).length).toBeGreaterThan(0);
  });

  it('names the two commands', () => {
    const commands = page
      .filter(isShell)
      .flatMap(({ code }) => code.split('\n').map((line) => line.split('#')[0].trim()));
    expect(commands).toEqual(expect.arrayContaining(['npm start', 'npm cit']));
  });

  it.each(page.filter(isProgram))('the program of line $line does what the page says', (snippet) => {
    expect(problemsWhenRun(snippet)).toEqual([]);
  });

  it('has programs of the right types', () => {
    expect(typeProblems(page.filter(isProgram))).toEqual([]);
  });

  it('names only commands that exist', () => {
    expect(page.filter(isShell).flatMap((snippet) => shellProblems(snippet, scripts))).toEqual([]);
  });
});

const fenced = (language: string, ...lines: string[]) =>
  snippets(['', `\`\`\`${language}`, ...lines, '```'].join('\n'));
const problemsOf = (...lines: string[]) => fenced('ts', ...lines).flatMap(problemsWhenRun);

describe('snippets', () => {
  it('are found with their language and line, in lists too', () => {
    const markdown = ['a', '```ts', 'x', '```', '- b', '  ```sh title', '  y', '    z', '  ```', '~~~~', '```', '~~~~'];
    expect(snippets(markdown.join('\n'))).toEqual([
      { language: 'ts', line: 3, code: 'x' },
      { language: 'sh', line: 7, code: 'y\n  z' },
      { language: '', line: 11, code: '```' },
    ]);
  });

  it('must be closed', () => {
    expect(() => snippets('```ts\nx')).toThrow('line 1: the block is not closed');
  });
});

describe('a right program passes', () => {
  it('with its output behind the call, below it, over several lines and shortened', () => {
    const lines = [
      "import { Matrix, type AttentionOptions } from 'qkv';",
      'const options: AttentionOptions = { numHeads: 2 };',
      'console.log(options.numHeads); // → 2',
      'const x = Matrix.identity(2);',
      'console.log(x.toArray());',
      '// → [ [ 1, 0 ],',
      '// →   [ 0, 1 ] ]',
      'for (const i of [1, 2]) console.log(i); // → 1 2',
      'console.log(Math.PI); // → 3.14…',
      "console.log('not checked'); // an ordinary comment",
    ];
    expect(problemsOf(...lines)).toEqual([]);
    expect(typeProblems(fenced('ts', ...lines))).toEqual([]);
  });
});

describe('a wrong program is found', () => {
  it.each([
    ['line 3: the page says 3, the program prints 2', ['console.log(2); // → 3']],
    ['line 3: the page says 3, the program prints 2', ['console.log(2);', '// → 3']],
    ['line 4: the page says 2, the program prints 1', ['console.log(2); // → 2', 'console.log(1); // → 2']],
    ['line 3: the page says 3.15…, the program prints 3.14', ['console.log(3.14); // → 3.15…']],
    ['line 4: the console.log is never reached', ['const say = () => {', 'console.log(2); // → 2', '};']],
    ['the snippet fails', ["throw new Error('no');"]],
    ['the snippet fails', ["import { NoSuchName } from 'qkv';", 'new NoSuchName();']],
    ['the snippet fails', ["import { Matrix } from 'qkv';", 'Matrix.zeros(2, 3).matmul(Matrix.zeros(2, 3));']],
  ])('%s', (problem, lines) => {
    expect(problemsOf(...lines)).toEqual([expect.stringContaining(problem)]);
  });

  it('when its arrow follows no console.log', () => {
    expect(() => problemsOf('const x = 2; // → 2')).toThrow('line 3: // → does not follow a console.log');
  });

  it.each([
    ['ts', "import { Matrix } from 'qkv';", "Matrix.zeros('2', 3);", 'line 4: '],
    ['ts', "import { scaledDotProductAttention } from 'qkv';", 'scaledDotProductAttention();', 'line 4: '],
    ['js', "import { Matrix } from 'qkv';", 'Matrix.zeroes(2, 3);', 'line 4: '],
  ])('when its types are wrong: %s: %s %s', (language, first, second, problem) => {
    expect(typeProblems(fenced(language, first, second))).toEqual([expect.stringContaining(problem)]);
  });

  it('but two programs may use one name', () => {
    const [one] = fenced('ts', 'const x = 1;', 'console.log(x);');
    expect(typeProblems([one, one])).toEqual([]);
  });
});

describe('commands', () => {
  const known = { start: '', test: '', build: '' };
  const judge = (line: string) => fenced('sh', line).flatMap((snippet) => shellProblems(snippet, known));

  it.each([
    'npm start',
    'npm start -- "any sentence" --heads 4',
    'npm cit   # installs and tests',
    'npm run build && npm test',
    '$ npm install qkv',
    'npm ci',
    'npx vitest run test/readme.test.ts',
    'QKV_CONFORMANCE=data npm test',
    'git clone https://example.org/qkv && cd qkv',
    '# only a comment',
  ])('right: %s', (line) => {
    expect(judge(line)).toEqual([]);
  });

  it.each([
    'npm run no-such-script',
    'npm run',
    'npm install other',
    'npm publish',
    'node x.js',
    'npx vitest run test/gone.test.ts',
    'npx other',
    'npm test && npm run x',
  ])('wrong: %s', (line) => {
    expect(judge(line)).toHaveLength(1);
  });
});
