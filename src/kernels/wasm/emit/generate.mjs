// npm run kernels: writes the two generated modules, WASM kernels as text, if a generator is newer than they are.
// npm run kernels -- --text: prints their text form for review.
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const emit = dirname(fileURLToPath(import.meta.url));
const wasm = dirname(emit);
const home = join(wasm, 'module');
const scratch = join(wasm, '../../../build');
/** Under which name each module lies, and what builds it. */
const targets = { 'module.generated.ts': 'buildForward', 'backward-module.generated.ts': 'buildBackward' };
const sources = [
  ...readdirSync(emit, { recursive: true }).map((name) => join(emit, name)),
  ...['module/attention-record.ts', 'module/printable.ts', 'summation.ts'].map((name) => join(wasm, name)),
];

const time = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
const wantsText = process.argv.includes('--text');
const unknown = process.argv.slice(2).filter((argument) => argument !== '--text');
if (unknown.length > 0) {
  process.stderr.write(`npm run kernels: the only option is --text: got ${unknown.join(' ')}\n`);
  process.exit(2);
}

const oldest = Math.min(...Object.keys(targets).map((name) => time(join(home, name))));
if (wantsText || sources.some((path) => time(path) > oldest)) {
  // Inside the project, so that `binaryen` is found as the sources find it.
  mkdirSync(scratch, { recursive: true });
  const folder = mkdtempSync(join(scratch, 'kernels-'));
  try {
    const bundle = join(folder, 'module.mjs');
    await build({
      entryPoints: [join(emit, 'module.ts')],
      outfile: bundle,
      bundle: true,
      platform: 'node',
      format: 'esm',
      external: ['binaryen'],
      logLevel: 'error',
    });
    const generators = await import(pathToFileURL(bundle));
    for (const [name, builder] of Object.entries(targets)) {
      const { bytes, text } = generators[builder]();
      if (wantsText) process.stdout.write(text());
      else {
        // Renamed when complete: whoever reads it meanwhile sees the old one whole.
        const written = join(folder, name);
        const line = `export const moduleText =\n  '${generators.printable(bytes)}';`;
        writeFileSync(written, `// Written by npm run kernels.\n${line}\n`);
        renameSync(written, join(home, name));
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
