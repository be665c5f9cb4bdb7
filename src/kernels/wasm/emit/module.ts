// kernels/wasm/emit: writes the WASM kernels, at build time; one file a family. Nothing here is shipped, and nothing that is
// shipped imports it.

import binaryen from 'binaryen';
import { printable } from '../module/printable.js';
import { emitActivations, emitActivationsBackward, emitElementary } from './activations.js';
import { emitAttention } from './attention/attention.js';
import { emitAttentionBackward } from './attention/backward.js';
import { emitDropEntries, emitDropout } from './attention/dropout.js';
import { emitColumnSums } from './column-sums.js';
import { emitElementwise } from './elementwise.js';
import { emitGemm } from './gemm.js';
import { emitGemv } from './gemv.js';
import { definedIn, type Parameters, typesOf, UNITS } from './language/builder.js';
import { emitLogSoftmax } from './log-softmax.js';
import { emitNormalization } from './normalization.js';
import { emitNormalizationBackward } from './normalization-backward.js';
import { emitPacking } from './packing.js';
import { emitRotary } from './rotary.js';
import { emitSoftmax } from './softmax.js';
import { emitSoftmaxBackward } from './softmax-backward.js';
import { emitSum, emitSumOfSquares } from './sums.js';
import { emitUpdates } from './updates.js';

/** Passes that make the bytes fewer (13.8 to 12.3 KB gzipped); the engine's own compiler gains nothing from more. */
const SHRINKING = ['simplify-locals-nostructure', 'coalesce-locals', 'reorder-locals', 'vacuum'];

/** One module of kernels: who downloads or compiles one of its entries does so with all of it, and with what it needs. */
interface Family {
  readonly emit: readonly ((m: binaryen.Module) => void)[];
  /** Functions of other families that it calls. */
  readonly calls?: readonly string[];
  /** Its functions that others call, beside its entries. */
  readonly lends?: readonly string[];
}

/** In an order in which every one stands behind those it calls. */
export const FAMILIES = {
  products: { emit: [emitGemm, emitPacking, emitGemv] },
  elementwise: { emit: [emitElementwise, emitElementary, emitSum] },
  softmax: { emit: [emitSoftmax] },
  losses: { emit: [emitLogSoftmax] },
  normalization: { emit: [emitNormalization] },
  activations: { emit: [emitActivations] },
  rotary: { emit: [emitRotary] },
  dropout: { emit: [emitDropout, emitDropEntries], lends: ['attention_dropout'] },
  attention: {
    emit: [emitAttention],
    calls: ['attention_dropout', 'gemm_rows_packed', 'pack_columns', 'pack_rows'],
    lends: ['attention_careful_product', 'attention_logits', 'attention_softcap'],
  },
  updates: { emit: [emitUpdates, emitSumOfSquares] },
  backward: { emit: [emitActivationsBackward, emitColumnSums, emitNormalizationBackward, emitSoftmaxBackward] },
  'attention-backward': {
    emit: [emitAttentionBackward],
    calls: [
      'attention_careful_product',
      'attention_dropout',
      'attention_logits',
      'attention_softcap',
      'gemm_rows_packed',
      'gemm_transposed_packed',
      'pack_columns',
      'pack_rows',
    ],
  },
} as const satisfies Record<string, Family>;

export type FamilyName = keyof typeof FAMILIES;

export interface BuiltFamily {
  readonly name: FamilyName;
  /** The families whose functions it calls. */
  readonly needs: readonly FamilyName[];
  /** Its entries, with the arguments that stand before UNITS. */
  readonly entries: readonly { name: string; parameters: readonly string[]; usesScratch: boolean }[];
  /** What its entries, and what it lends, are called in the module. */
  readonly exports: Readonly<Record<string, string>>;
  readonly bytes: Uint8Array;
  /** For review; empty where it is not wanted. */
  readonly text: string;
}

/** What a module calls the export that has this place among them: one letter, as long as they go. Names would be downloaded. */
const exportName = (index: number) => `${String.fromCharCode(97 + (index % 26))}${Math.floor(index / 26) || ''}`;

/** Builds every family. */
export function buildFamilies(wantsText = false): BuiltFamily[] {
  const lenders = new Map<string, { family: FamilyName; parameters: Parameters; exported: string }>();
  return Object.entries(FAMILIES).map(([key, value]) => {
    const [name, { emit, calls = [], lends = [] }] = [key as FamilyName, value as Family];
    const needs = new Set<FamilyName>();
    const m = newModule();
    for (const call of calls) {
      const lender = lenders.get(call);
      if (lender === undefined) throw new Error(`${name} calls ${call}, which no family before it lends`);
      needs.add(lender.family);
      const types = binaryen.createType(typesOf(lender.parameters));
      const module = String([...needs].indexOf(lender.family)); // its place in the list that launch.ts links
      m.addFunctionImport(call, module, lender.exported, types, binaryen.none);
    }
    for (const one of emit) one(m);
    const functions = [...definedIn(m)];
    const own = Object.keys(UNITS).length;
    const entries = functions.filter(([, { isEntry }]) => isEntry);
    const exports: Record<string, string> = {};
    for (const [of, { parameters, isEntry }] of functions) {
      if (lenders.has(of)) throw new Error(`${name} defines ${of}, as a family before it does`);
      if (!lends.includes(of) && !isEntry) continue;
      const exported = exportName(Object.keys(exports).length);
      exports[of] = exported;
      m.addFunctionExport(of, exported);
      lenders.set(of, { family: name, parameters, exported });
    }
    const named = entries.map(([of, { parameters, usesScratch }]) => {
      return { name: of, parameters: Object.keys(parameters).slice(0, -own), usesScratch };
    });
    const built = {
      name,
      needs: [...needs],
      entries: named,
      exports,
      bytes: finished(m),
      text: wantsText ? m.emitText() : '',
    };
    m.dispose();
    return built;
  });
}

/**
 * The file of a family: its module, and for each entry the function that launches it, which takes the arguments by
 * name, then how many units, and where it has scratch, how much of it and from which unit on.
 */
export function written({ name, needs, entries, exports }: BuiltFamily): string {
  const imports = needs.map((other) => `import { ${identifier(other)}Module } from './${other}.generated.js';\n`);
  const functions = entries.map(({ name: entry, parameters, usesScratch }) => {
    const types = parameters.map((parameter) => `${parameter}: number`).join('; ');
    const values = parameters.map((parameter) => `p.${parameter}`);
    const [more, range] = usesScratch
      ? [', scratchBytes: number, first = 0', ['first', 'first + units', 'runtime.memory.reserve(scratchBytes)']]
      : ['', ['0', 'units', '0']];
    return (
      `export function ${identifier(entry)}(runtime: Runtime, p: { ${types} }, units: number${more}): void {\n` +
      `  entriesOf(runtime, ${identifier(name)}Module).${exports[entry]}(${[...values, ...range].join(', ')});\n}\n`
    );
  });
  const names = entries.map(({ name: entry }) => identifier(entry)).join(', ');
  const list = needs.map((other) => `${identifier(other)}Module`).join(', ');
  return [
    '// Written by npm run kernels.\n',
    "import { entriesOf, type KernelModule, type Runtime } from './launch.js';\n",
    ...imports,
    `import { ${identifier(name)} as text } from './texts.generated.js';\n`,
    `\nexport const ${identifier(name)}Module: KernelModule = { needs: [${list}], text };\n\n`,
    ...functions,
    `\n/** All of them. */\nexport const ${identifier(name)}Entries = { ${names} };\n`,
    `\n/** What the module calls its functions. */\nexport const ${identifier(name)}Exports = ${JSON.stringify(exports)} as const;\n`,
  ].join('');
}

/** The file of all modules as text: one behind another, since text and code compress better apart. */
export function writtenTexts(families: readonly BuiltFamily[]): string {
  const texts = families.map(({ name, bytes }) => `export const ${identifier(name)} =\n  '${printable(bytes)}';\n`);
  return `// Written by npm run kernels.\n\n${texts.join('')}`;
}

const identifier = (text: string) => text.replace(/[-_](.)/g, (_, letter: string) => letter.toUpperCase());

function newModule(): binaryen.Module {
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
  return m;
}

function finished(m: binaryen.Module): Uint8Array {
  if (!m.validate()) throw new Error('the generated WASM module is invalid');
  binaryen.setDebugInfo(false);
  m.runPasses(SHRINKING);
  return m.emitBinary();
}
