import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: {
    // Tests of the source see the source under the package's name; tests of the package start processes of their own.
    alias: { qkv: fileURLToPath(new URL('./src/index.ts', import.meta.url)) },
  },
  test: {
    include: ['test/**/*.test.ts'],
    reporters: ['default', ['json', { outputFile: 'build/test-report.json' }]],
    allowOnly: false,
    // The runner leaves one core idle, which is half of a machine of two: 9 minutes with it, 4 without.
    maxWorkers: '100%',
    // Twice over what the slowest property test takes on a loaded two-core machine.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // What tests in this process reach; processes of their own (the packed package, the programs) are not counted.
    coverage: { include: ['src/**/*.ts'], exclude: ['src/**/*.generated.ts'], reporter: ['text', 'html'] },
  },
});
