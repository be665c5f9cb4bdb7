// kernels/wasm/emit: writes the WASM kernels, at build time; one file a family. Nothing here is shipped, and nothing that is
// shipped imports it.

import binaryen from 'binaryen';
import { printable } from '../module/printable.js';
import { emitActivations, emitActivationsBackward } from './activations.js';
import { emitAttention } from './attention/attention.js';
import { emitAttentionBackward } from './attention/backward.js';
import { emitColumnSums } from './column-sums.js';
import { emitElementwise } from './elementwise.js';
import { emitGemm } from './gemm.js';
import { emitGemv } from './gemv.js';
import { emitLogSoftmax } from './log-softmax.js';
import { emitNormalization } from './normalization.js';
import { emitNormalizationBackward } from './normalization-backward.js';
import { emitPacking } from './packing.js';
import { emitRotary } from './rotary.js';
import { emitSoftmax } from './softmax.js';
import { emitSoftmaxBackward } from './softmax-backward.js';

export { printable };

/** Passes that make the bytes fewer (10.2 to 9.3 KB gzipped); the engine's own compiler gains nothing from more. */
const SHRINKING = ['simplify-locals-nostructure', 'coalesce-locals', 'reorder-locals', 'vacuum'];

/** What the backward module calls of the forward one, with the number of its parameters, all integers. */
const SHARED: Readonly<Record<string, number>> = {
  attention_careful_product: 11,
  attention_dropout: 6,
  attention_logits: 9,
  attention_softcap: 3,
  gemm_rows_packed: 12,
  gemm_transposed_packed: 12,
  pack_columns: 7,
  pack_rows: 7,
};

export interface BuiltModule {
  bytes: Uint8Array;
  /** For review. */
  text: () => string;
  dispose: () => void;
}

/** Builds the WASM module that every program gets. */
export function buildForward(): BuiltModule {
  return built((m) => {
    emitActivations(m);
    emitAttention(m);
    emitElementwise(m);
    emitGemm(m);
    emitPacking(m);
    emitGemv(m);
    emitLogSoftmax(m);
    emitNormalization(m);
    emitRotary(m);
    emitSoftmax(m);
    for (const name of Object.keys(SHARED)) if (m.getExport(name) === 0) m.addFunctionExport(name, name);
  });
}

/** Builds the one that a program gets if it differentiates. */
export function buildBackward(): BuiltModule {
  return built((m) => {
    for (const [name, parameters] of Object.entries(SHARED)) {
      const types = binaryen.createType(Array.from({ length: parameters }, () => binaryen.i32));
      m.addFunctionImport(name, 'kernels', name, types, binaryen.none);
    }
    emitActivationsBackward(m);
    emitAttentionBackward(m);
    emitColumnSums(m);
    emitNormalizationBackward(m);
    emitSoftmaxBackward(m);
  });
}

function built(emit: (m: binaryen.Module) => void): BuiltModule {
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
  emit(m);
  if (!m.validate()) throw new Error('the generated WASM module is invalid');
  binaryen.setDebugInfo(false);
  m.runPasses(SHRINKING);
  return { bytes: m.emitBinary(), text: () => m.emitText(), dispose: () => m.dispose() };
}
