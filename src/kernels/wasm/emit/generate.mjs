// npm run kernels: writes module.generated.ts, the WASM kernels as text, if a generator is newer than it.
// npm run kernels -- --text: prints their text form for review.
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const emit = dirname(fileURLToPath(import.meta.url));
const wasm = dirname(emit);
const scratch = join(wasm, '../../../build');
const target = join(wasm, 'module.generated.ts');
const sources = [
  ...readdirSync(emit).map((name) => join(emit, name)),
  ...['attention-record.ts', 'printable.ts'].map((name) => join(wasm, name)),
];

const time = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
const wantsText = process.argv.includes('--text');
const unknown = process.argv.slice(2).filter((argument) => argument !== '--text');
if (unknown.length > 0) {
  process.stderr.write(`npm run kernels: the only option is --text: got ${unknown.join(' ')}\n`);
  process.exit(2);
}

if (wantsText || sources.some((path) => time(path) > time(target))) {
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
    const { buildModule, printable } = await import(pathToFileURL(bundle));
    const { bytes, text } = buildModule();
    if (wantsText) process.stdout.write(text());
    else {
      // Renamed when complete: whoever reads it meanwhile sees the old one whole.
      const written = join(folder, 'module.generated.ts');
      writeFileSync(written, `// Written by npm run kernels.\nexport const moduleText =\n  '${printable(bytes)}';\n`);
      renameSync(written, target);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
