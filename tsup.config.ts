import { existsSync, readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { defineConfig, type Options } from 'tsup';

const library: Options = {
  entry: ['src/index.ts'],
  outDir: 'dist',
  format: ['esm', 'cjs'],
  target: 'es2022',
  platform: 'neutral',
  sourcemap: true,
  clean: true,
  // The declaration bundler still sets a compiler option that TypeScript 6 calls deprecated.
  dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
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
