import { spawnSync } from 'node:child_process';
import process from 'node:process';

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Both, for a message. */
  readonly output: string;
}

/** Runs a program to its end, without stdin and without the variables that an outer `npm run` sets. */
export function run(program: string, args: readonly string[], cwd: string): Finished {
  const result = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 26,
    env: { ...withoutNpmScript(process.env), NO_COLOR: '1', FORCE_COLOR: undefined },
  });
  if (result.error) throw result.error;
  const { stdout, stderr } = result;
  return { code: result.status ?? 1, stdout, stderr, output: `${stdout}${stderr}` };
}

/** Runs Node on the arguments. */
export function node(args: readonly string[], cwd: string): Finished {
  return run(process.execPath, args, cwd);
}

/** Runs npm: the one that started this test run, else the one on the path. */
export function npm(args: readonly string[], cwd: string): Finished {
  const own = process.env.npm_execpath;
  return own?.endsWith('.js') ? node([own, ...args], cwd) : run('npm', args, cwd);
}

function withoutNpmScript(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const isLeftover = (name: string) => /^npm_(package|lifecycle|config_local_prefix|command)/.test(name);
  return Object.fromEntries(Object.entries(env).filter(([name]) => !isLeftover(name)));
}
