import { join } from 'node:path';
import { compileFunction } from 'node:vm';

/** The part of esbuild that is used. */
interface Esbuild {
  buildSync(options: object): { readonly outputFiles: readonly { readonly text: string }[] };
}

/**
 * What a bundler does for users of TensorFlow.js, and its build for Node leaves out: registers the gradients of its
 * operations. They lie in modules that Node cannot load, and go into a registry that all copies of it share.
 *
 * @param require  finds @tensorflow/tfjs-core, and esbuild, which this project itself is built with
 */
export function registerTensorFlowGradients(require: NodeJS.Require): void {
  const { buildSync }: Esbuild = require('esbuild');
  const main = require.resolve('@tensorflow/tfjs-core'); // dist/tf-core.node.js
  const entry = join(main, '..', 'register_all_gradients.js');
  const options = { bundle: true, write: false, format: 'cjs', platform: 'node', logLevel: 'silent' };
  const { outputFiles } = buildSync({ entryPoints: [entry], ...options });
  const module = { exports: {} };
  compileFunction(outputFiles[0].text, ['require', 'module', 'exports'])(require, module, module.exports);
}
