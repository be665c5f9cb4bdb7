import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { projectRoot } from '../support/source-modules.js';

export const PROGRAM = join(projectRoot, 'build/examples/explain.js');

export interface Page {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs what `npm start -- …args` runs, its output piped; `env` is added to an environment without color settings. */
export function explain(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd = projectRoot): Page {
  const { NO_COLOR, FORCE_COLOR, npm_lifecycle_event, INIT_CWD, ...rest } = process.env;
  const options = { cwd, encoding: 'utf8', env: { ...rest, ...env }, maxBuffer: 2 ** 26 } as const;
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [PROGRAM, ...args], options);
  if (error) throw error;
  return { code: status, stdout, stderr };
}

/** The page of a run that must succeed. */
export function pageOf(args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
  const { code, stdout, stderr } = explain(args, env);
  if (code !== 0 || withoutColorWarning(stderr) !== '')
    throw new Error(`explain ${args.join(' ')} ended with ${code}: ${stderr}`);
  return stdout;
}

/** Without what Node from 24 on says of an environment that sets both NO_COLOR and FORCE_COLOR. */
function withoutColorWarning(stderr: string): string {
  return stderr.replace(
    /^\(node:\d+\) Warning: The 'NO_COLOR' env is ignored.*\n\(Use `node --trace-warnings.*\n/m,
    '',
  );
}

/** The lines of the step whose heading holds the words. */
export function section(page: string, words: string): string[] {
  const lines = page.split('\n');
  const start = lines.findIndex((line) => /^\d+ {2}/.test(line) && line.includes(words));
  if (start === -1) throw new Error(`no step has the heading ${words}`);
  const next = lines.findIndex((line, i) => i > start && /^\d+ {2}/.test(line));
  return lines.slice(start, next === -1 ? undefined : next);
}

/** The numbers of the table rows `3 robot  0.1  0.2 │ 0.3`, head by head, in the order of the page. */
export function tableRows(lines: readonly string[], tokens: readonly string[]): number[][][] {
  return lines.flatMap((line) => {
    const [, position, token, cells] = /^ +(\d+) (\S+) ((?: +-?[\d.]+| │)+)$/.exec(line) ?? [];
    if (cells === undefined || tokens[Number(position)] !== token) return [];
    return [cells.split('│').map((head) => head.trim().split(/ +/).map(Number))];
  });
}

/** The numbers of `( 1.0  2.0 )`, with whatever stands around. */
export function vectorOf(line: string): number[] {
  return /\(([^)…]*)…?\s*\)/.exec(line)?.[1].trim().split(/ +/).map(Number) ?? [];
}
