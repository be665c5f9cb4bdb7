import { spawnSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import process from 'node:process';

/** Where and when something was measured. */
export interface Environment {
  readonly cpu: string;
  readonly cpus: number;
  readonly platform: string;
  readonly node: string;
  readonly v8: string;
  /** Short hash of the project's commit, '+' behind it if the working tree differs; 'unknown' outside of git. */
  readonly commit: string;
  /** ISO 8601, UTC. */
  readonly date: string;
  /** Average number of busy processes in the minute before the first case and before the end. */
  readonly loadBefore: number;
  readonly loadAfter: number;
  readonly rounds: number;
  readonly peers: Readonly<Record<string, string>>;
}

export const loadNow = (): number => Math.round(loadavg()[0] * 100) / 100;

export function environment(
  root: string,
  loadBefore: number,
  rounds: number,
  peers: Readonly<Record<string, string>>,
): Environment {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: cpus().length,
    platform: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    v8: process.versions.v8,
    commit: commitOf(root),
    date: new Date().toISOString(),
    loadBefore,
    loadAfter: loadNow(),
    rounds,
    peers,
  };
}

function commitOf(root: string): string {
  const git = (...args: string[]) => spawnSync('git', args, { cwd: root, encoding: 'utf8' });
  const { status, stdout } = git('rev-parse', '--short', 'HEAD');
  if (status !== 0) return 'unknown';
  // What is not tracked, such as a result just written, does not change what was measured.
  const changes = git('status', '--porcelain', '--untracked-files=no');
  return `${stdout.trim()}${changes.status === 0 && changes.stdout === '' ? '' : '+'}`;
}

/** Where and when, in one line. */
export function placeText({ cpu, cpus: count, node, commit, date }: Environment): string {
  return `${cpu} (${count} CPUs), Node ${node}, commit ${commit}, ${date.slice(0, 10)}`;
}

/** The same with how busy the machine was; the benchmark itself is 1 of the load after it. */
export function environmentText(environment: Environment): string {
  const { loadBefore, loadAfter } = environment;
  return `${placeText(environment)}, load ${loadBefore} before, ${loadAfter} after`;
}
