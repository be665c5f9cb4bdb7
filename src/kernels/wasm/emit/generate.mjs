// npm run kernels: writes the kernels, a file for every family of them, if a generator is newer than they are.
// npm run kernels -- --text: prints their text form for review.
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const emit = dirname(fileURLToPath(import.meta.url));
const wasm = dirname(emit);
const home = join(wasm, 'module');
const scratch = join(wasm, '../../../build');
/** Written last: the names of all the others. */
const manifest = join(home, 'manifest.generated.json');
const sources = [
  ...readdirSync(emit, { recursive: true }).map((name) => join(emit, name)),
  ...['module/attention-record.ts', 'module/product-tile.ts', 'module/printable.ts', 'summation.ts'].map((name) =>
    join(wasm, name),
  ),
];

const time = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
const wantsText = process.argv.includes('--text');
const unknown = process.argv.slice(2).filter((argument) => argument !== '--text');
if (unknown.length > 0) {
  process.stderr.write(`npm run kernels: the only option is --text: got ${unknown.join(' ')}\n`);
  process.exit(2);
}

const names = time(manifest) > 0 ? JSON.parse(readFileSync(manifest, 'utf8')) : [];
const oldest = Math.min(time(manifest), ...names.map((name) => time(join(home, name))));
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
    const families = generators.buildFamilies(wantsText);
    if (wantsText) for (const { text } of families) process.stdout.write(text);
    else {
      // Renamed when complete: whoever reads it meanwhile sees the old one whole.
      const write = (path, text) => {
        writeFileSync(join(folder, 'written'), text);
        renameSync(join(folder, 'written'), path);
      };
      const files = [
        ...families.map((family) => [`${family.name}.generated.ts`, generators.written(family)]),
        ['texts.generated.ts', generators.writtenTexts(families)],
      ];
      for (const [name, text] of files) write(join(home, name), text);
      for (const name of readdirSync(home)) {
        if (name.endsWith('.generated.ts') && !files.some(([other]) => other === name)) rmSync(join(home, name));
      }
      write(manifest, `${JSON.stringify(files.map(([name]) => name))}\n`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
