import type { CaseResult, MemoryResult } from '../harness/case.js';
import type { Environment } from './environment.js';

/** All that one run of the benchmark says. */
export interface Results {
  readonly environment: Environment;
  readonly cases: readonly CaseResult[];
  readonly memory: readonly MemoryResult[];
}

type Line = { readonly environment: Environment } | CaseResult | MemoryResult;

/** JSON lines: the environment, then one line a case. */
export function toJsonLines({ environment, cases, memory }: Results): string {
  const lines: Line[] = [{ environment }, ...cases, ...memory];
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

/** @throws SyntaxError  if the text is not what toJsonLines writes */
export function fromJsonLines(text: string): Results {
  const lines = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Line => JSON.parse(line));
  const environment = lines.flatMap((line) => ('environment' in line ? [line.environment] : []))[0];
  if (environment === undefined) throw new SyntaxError('results: a line must hold the environment');
  return {
    environment,
    cases: lines.flatMap((line) => ('timings' in line ? [line] : [])),
    memory: lines.flatMap((line) => ('extraUnits' in line ? [line] : [])),
  };
}
