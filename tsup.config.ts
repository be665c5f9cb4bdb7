import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { build } from 'esbuild';
import { defineConfig, type Options } from 'tsup';

const { name, version, license } = JSON.parse(readFileSync('package.json', 'utf8'));

const library: Options = {
  entry: ['src/index.ts'],
  outDir: 'dist',
  format: ['esm', 'cjs'],
  target: 'es2022',
  platform: 'neutral',
  // Source maps would be more than half of what users install (440 of 721 KB), for a bundle that reads like the sources.
  sourcemap: false,
  clean: true,
  // The declaration bundler still sets a compiler option that TypeScript 6 calls deprecated.
  dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
  // Ahead of all code: text and code compress better apart (bundles of users are up to 4 % smaller).
  inject: ['src/kernels/wasm/module/texts.generated.ts'],
  // For pages without a bundler: the same module, minified (package.json names it to unpkg and jsDelivr).
  onSuccess: async () => {
    await build({
      entryPoints: ['dist/index.js'],
      outfile: 'dist/index.min.js',
      format: 'esm',
      target: 'es2022',
      minify: true,
      banner: { js: `/*! ${name} ${version} | ${license} license */` },
    });
  },
};

/**
 * The programs of one folder, built to build/<folder>. They import `qkv` by its name and stay so: what they run is the
 * package as it is published, reached through the exports of package.json.
 */
function programs(folder: string, isEntry: (file: string) => boolean): Options[] {
  const files = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith('.ts') && isEntry(file)) : [];
  if (files.length === 0) return [];
  return [
    {
      entry: Object.fromEntries(files.map((file) => [basename(file, '.ts'), `${folder}/${file}`])),
      outDir: `build/${folder}`,
      format: ['esm'],
      target: 'es2022',
      platform: 'node',
      external: ['qkv'],
      removeNodeProtocol: false,
      sourcemap: true,
      clean: true,
    },
  ];
}

export default defineConfig([
  library,
  ...programs('examples', () => true),
  ...programs('bench', (file) => file === 'index.ts'),
]);
