// `npm run bench`: times the built library, and on request its peers, in one process.
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { HELP, parseArguments, type Settings, UsageError } from './arguments.js';
import { MEMORY_PROBE } from './cases/memory.js';
import { probeMemory } from './memory-probe.js';
import { withResult } from './report/readme.js';
import { fromJsonLines, toJsonLines } from './report/results.js';
import { markdownPage } from './report/tables.js';
import { runBenchmark } from './run.js';

const MOST_RESULTS = 1 << 26;

const program = fileURLToPath(import.meta.url);

/** The folder of the package, from wherever the program lies in it. */
function projectRoot(): string {
  for (let folder = dirname(program); folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, 'tsup.config.ts'))) return folder;
  }
  throw new Error('bench: must lie in the project that it measures');
}

/** Before hours of measuring, not after: can the results be written? */
function requireWritable(path: string | undefined): void {
  if (path === undefined) return;
  if (existsSync(path) && !statSync(path).isFile()) throw new UsageError(`${path} must be a file: it is none`);
  try {
    writeFileSync(path, '', { flag: 'a' });
  } catch (error) {
    throw new UsageError(`${path} must be writable: ${error instanceof Error ? error.message : error}`);
  }
}

function updateReadme(root: string, path: string): void {
  const readme = join(root, 'README.md');
  if (!existsSync(path)) throw new UsageError(`--update-readme must name a file: ${path} does not exist`);
  // A device or a pipe may have no end, and a file of results has some hundred lines.
  const stats = statSync(path);
  if (!stats.isFile()) throw new UsageError(`--update-readme must name a file: ${path} is none`);
  if (stats.size > MOST_RESULTS)
    throw new UsageError(`--update-readme must name results: ${path} has ${stats.size} bytes`);
  const shown = relative(root, resolve(path)).split(sep).join('/');
  const results = fromJsonLines(readFileSync(path, 'utf8'));
  writeFileSync(readme, withResult(readFileSync(readme, 'utf8'), shown, results));
  console.log(`README.md shows ${shown}`);
}

/** Whether every result was right. */
async function measure(root: string, settings: Settings): Promise<boolean> {
  requireWritable(settings.json);
  requireWritable(settings.markdown);
  const results = await runBenchmark(settings, { root, program, say: console.log });
  if (settings.json !== undefined) writeFileSync(settings.json, toJsonLines(results));
  if (settings.markdown !== undefined) writeFileSync(settings.markdown, markdownPage(results));
  return results.cases.every(({ wrong }) => wrong.length === 0);
}

async function main(args: readonly string[]): Promise<number> {
  if (args[0] === MEMORY_PROBE) {
    console.log(JSON.stringify(probeMemory(JSON.parse(args[1]))));
    return 0;
  }
  const settings = parseArguments(args);
  if (settings === 'help') {
    console.log(HELP);
    return 0;
  }
  const root = projectRoot();
  if (settings.updateReadme !== undefined) {
    updateReadme(root, settings.updateReadme);
    return 0;
  }
  return (await measure(root, settings)) ? 0 : 1;
}

try {
  // Peers may leave timers behind; a benchmark ends when it has said everything.
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`npm run bench: ${error.message}`);
  process.exitCode = 2;
}
