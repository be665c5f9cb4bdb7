import { node } from './processes.js';
import { projectRoot } from './source-modules.js';

/** Throws, and says what to do, unless dist/ and build/ are up to date with the sources. For tests of the built package. */
export function requireBuilt(): void {
  const { code, stderr } = node(['examples/ensure-built.mjs', '--check'], projectRoot);
  if (code !== 0) throw new Error(`the built package is not up to date, run npm run build first: ${stderr.trim()}`);
}
