import { createRequire } from 'node:module';
import { join } from 'node:path';
import { UsageError } from '../arguments.js';
import type { Implementation } from '../harness/contender.js';
import { type Jax, jax } from './jax.js';
import { type OnnxRuntime, onnxruntime, startOnnxRuntime } from './onnxruntime.js';
import { type TensorFlow, type TensorFlowWasm, tensorflow } from './tensorflow.js';
import { registerTensorFlowGradients } from './tensorflow-gradients.js';

const NAMES = {
  ort: 'onnxruntime-web',
  tf: '@tensorflow/tfjs-core',
  tfWasm: '@tensorflow/tfjs-backend-wasm',
  jax: '@jax-js/jax',
} as const;

/** The peers installed below `folder`, each on one thread. @throws UsageError  if one is missing */
export async function loadPeers(folder: string): Promise<Implementation[]> {
  // Their CommonJS builds: a folder that holds none of the program's own files can only be reached by require.
  const require = createRequire(join(folder, 'package.json'));
  const missing = Object.values(NAMES).filter((name) => !isInstalled(require, name));
  if (missing.length > 0) {
    const hint = 'npm ci --prefix bench';
    throw new UsageError(
      `--peers must find what bench/package.json lists: ${missing.join(', ')} not installed (${hint})`,
    );
  }
  const ort: OnnxRuntime = require(NAMES.ort);
  const tf: TensorFlow = require(NAMES.tf);
  const tfWasm: TensorFlowWasm = require(NAMES.tfWasm);
  const jaxJs: Jax = require(NAMES.jax);
  registerTensorFlowGradients(require);
  await startOnnxRuntime(ort);
  return [onnxruntime(ort, 'graph'), onnxruntime(ort, 'fused'), await tensorflow(tf, tfWasm), jax(jaxJs)];
}

function isInstalled(require: NodeJS.Require, name: string): boolean {
  try {
    require.resolve(name);
    return true;
  } catch {
    return false;
  }
}
