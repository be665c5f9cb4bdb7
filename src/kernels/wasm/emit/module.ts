import binaryen from 'binaryen';
import { printable } from '../printable.js';
import { emitActivations } from './activations.js';
import { emitAttention } from './attention.js';
import { emitElementwise } from './elementwise.js';
import { emitExp } from './exp.js';
import { emitGemm } from './gemm.js';
import { emitGemv } from './gemv.js';
import { emitNormalization } from './normalization.js';
import { emitRotary } from './rotary.js';
import { emitSoftmax } from './softmax.js';

export { printable };

/** Passes that make the bytes fewer (10.2 to 9.3 KB gzipped); the engine's own compiler gains nothing from more. */
const SHRINKING = ['simplify-locals-nostructure', 'coalesce-locals', 'reorder-locals', 'vacuum'];

/** Builds the one WASM module of the library: its bytes, and its text for review. */
export function buildModule(): { bytes: Uint8Array; text: () => string; dispose: () => void } {
  const m = new binaryen.Module();
  const { Features } = binaryen;
  m.setFeatures(
    Features.MVP |
      Features.SIMD128 |
      Features.BulkMemory |
      Features.BulkMemoryOpt |
      Features.SignExt |
      Features.Atomics,
  );
  // Shared, so that threads can run the same kernels; the maximum is what the importer may at most reserve.
  m.setMemory(1, 65536, null, [], true, false, 'memory');
  m.addMemoryImport('memory', 'env', 'memory', true);
  emitActivations(m);
  emitAttention(m);
  emitElementwise(m);
  emitExp(m);
  emitGemm(m);
  emitGemv(m);
  emitNormalization(m);
  emitRotary(m);
  emitSoftmax(m);
  if (!m.validate()) throw new Error('the generated WASM module is invalid');
  binaryen.setDebugInfo(false);
  m.runPasses(SHRINKING);
  return { bytes: m.emitBinary(), text: () => m.emitText(), dispose: () => m.dispose() };
}
