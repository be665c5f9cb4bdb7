// Runs before `npm start` and `npm run bench`, so that either works alone in a fresh clone: installs what is missing,
// builds what is stale, and says nothing when there is nothing to do. With --check it only says what is missing or
// stale, and exits with 1 if anything is.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const inputs = ['src', 'examples', 'bench', 'tsup.config.ts', 'package.json'];

const timeOf = (path) => (existsSync(join(root, path)) ? statSync(join(root, path)).mtimeMs : undefined);

/** The path and every path below it. Folders count too: deleting a file changes only the time of its folder. */
function pathsUnder(path) {
  if (!existsSync(join(root, path))) return [];
  if (!statSync(join(root, path)).isDirectory()) return [path];
  // Not sources: the benchmarks' own packages and results.
  const names = readdirSync(join(root, path)).filter((name) => name !== 'node_modules' && name !== 'results');
  return [path, ...names.flatMap((name) => pathsUnder(`${path}/${name}`))];
}

/** What the build writes: the library, and a program for every entry file (as tsup.config.ts chooses them). */
function outputs() {
  const entries = (folder) => pathsUnder(folder).filter((path) => path.endsWith('.ts') && path.split('/').length === 2);
  const programs = [...entries('examples'), ...entries('bench').filter((path) => path === 'bench/index.ts')];
  return [
    ...['js', 'min.js', 'cjs', 'd.ts', 'd.cts'].map((extension) => `dist/index.${extension}`),
    ...programs.map((path) => `build/${path.replace(/\.ts$/, '.js')}`),
  ];
}

/** Why `npm ci` is needed, or undefined. npm writes the hidden lock file as the last step of an install. */
function whyInstall() {
  const installed = timeOf('node_modules/.package-lock.json');
  if (installed === undefined) return 'node_modules is missing';
  if (installed < timeOf('package-lock.json')) return 'node_modules is older than package-lock.json';
  return undefined;
}

/** Why `npm run build` is needed, or undefined. */
function whyBuild() {
  const missing = outputs().find((path) => timeOf(path) === undefined);
  if (missing) return `${missing} is missing`;
  const built = Math.min(...outputs().map(timeOf));
  const newer = inputs.flatMap(pathsUnder).find((path) => timeOf(path) > built);
  return newer && `${newer} is newer than the build`;
}

/** Runs npm quietly; on failure shows what it said and ends with its exit code. */
function npm(why, ...args) {
  console.error(`${why}: npm ${args.join(' ')} …`);
  // Within an npm script npm names itself: the same npm then runs, without a shell, on every system.
  const own = process.env.npm_execpath;
  const options = { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 2 ** 26 };
  const result = own?.endsWith('.js')
    ? spawnSync(process.execPath, [own, ...args], options)
    : spawnSync('npm', args, { ...options, shell: process.platform === 'win32' });
  if (result.status === 0) return;
  console.error(result.error?.message ?? `${result.stdout}${result.stderr}`);
  process.exit(result.status || 1);
}

if (process.argv.includes('--check')) {
  const why = whyInstall() ?? whyBuild();
  if (why) console.error(why);
  process.exitCode = why ? 1 : 0;
} else {
  const missing = whyInstall();
  // Development dependencies are what builds; NODE_ENV=production must not leave them out.
  if (missing) npm(missing, 'ci', '--include=dev');
  const stale = whyBuild();
  if (stale) npm(stale, 'run', 'build');
}
