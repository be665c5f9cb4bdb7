import { node } from './processes.js';
import { projectRoot } from './source-modules.js';

/** Throws, with what to do, unless dist/ and build/ hold what the source says now. For tests of the built package. */
export function requireBuilt(): void {
  const { code, stderr } = node(['examples/ensure-built.mjs', '--check'], projectRoot);
  if (code !== 0) throw new Error(`the built package is not up to date, run npm run build first: ${stderr.trim()}`);
}
