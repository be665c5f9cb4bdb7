import type { Import, SourceModule } from './source-modules.js';

// The rules of CONTRIBUTING.md, each a pure function from the modules to its violations: `file: what is wrong`.

type Rule = (modules: readonly SourceModule[]) => string[];

const FOLDER_LAYERS: Readonly<Record<string, number>> = {
  core: 0,
  kernels: 1,
  matrix: 2,
  autograd: 3,
  ops: 4,
  nn: 5,
  train: 6,
  io: 6,
  inspect: 6,
};
/** The layers that may call kernels. */
const CALLERS = { lowest: 2, highest: 4 };
const INDEX_LAYER = 7;
const MAX_LINES = 320;

const folderOf = (file: string): string => (file.includes('/') ? file.slice(0, file.indexOf('/')) : '');
const isKernelFile = (file: string): boolean => folderOf(file) === 'kernels';
const isGenerator = (file: string): boolean => file.startsWith('kernels/wasm/emit/');

/** The layer of a file, or undefined if its folder belongs to none. */
export function layerOf(file: string): number | undefined {
  if (file === 'index.ts') return INDEX_LAYER;
  return FOLDER_LAYERS[folderOf(file)];
}

/** Applies a check to every import of every module. */
function eachImport(check: (file: string, imported: Import) => string | undefined): Rule {
  return (modules) =>
    modules.flatMap(({ file, imports }) =>
      imports.flatMap((imported) => {
        const problem = check(file, imported);
        return problem === undefined ? [] : [`${file}: ${problem}`];
      }),
    );
}

/** Every import names an existing file by a relative path that ends in .js; only generators import a package. */
export const importsResolve: Rule = (modules) => {
  const files = new Set(modules.map(({ file }) => file));
  return eachImport((file, { specifier, target }) => {
    if (target === undefined) {
      return isGenerator(file) && specifier === 'binaryen' ? undefined : `imports the package ${specifier}`;
    }
    if (!specifier.endsWith('.js')) return `imports ${specifier}, which does not end in .js`;
    return files.has(target) ? undefined : `imports ${specifier}, which is no file of src`;
  })(modules);
};

/** Layers point down: nothing imports from a layer above its own, and core imports nothing but core. */
export const layersPointDown: Rule = (modules) => [
  ...modules.filter(({ file }) => layerOf(file) === undefined).map(({ file }) => `${file}: stands in no layer`),
  ...eachImport((file, { target }) => {
    if (target === undefined) return undefined;
    const from = layerOf(file) ?? INDEX_LAYER;
    const to = layerOf(target) ?? INDEX_LAYER;
    return to > from ? `layer ${from} imports ${target} of layer ${to}` : undefined;
  })(modules),
];

/** train, io and inspect do not import one another. */
export const siblingsDoNotMeet: Rule = eachImport((file, { target }) => {
  const siblings = ['train', 'io', 'inspect'];
  const from = folderOf(file);
  const to = folderOf(target ?? '');
  return siblings.includes(from) && siblings.includes(to) && from !== to ? `imports ${target}` : undefined;
});

/** No module reaches itself through its imports, types included. */
export const noCycles: Rule = (modules) => {
  const byFile = new Map(modules.map((module) => [module.file, module]));
  const finished = new Set<string>();
  const cycles: string[] = [];
  const walk = (file: string, path: readonly string[]): void => {
    const seenAt = path.indexOf(file);
    if (seenAt >= 0) cycles.push(`${file}: imports itself: ${[...path.slice(seenAt), file].join(' → ')}`);
    if (seenAt >= 0 || finished.has(file)) return;
    for (const { target } of byFile.get(file)?.imports ?? []) if (target) walk(target, [...path, file]);
    finished.add(file);
  };
  for (const { file } of modules) walk(file, []);
  return cycles;
};

/** Only layers 2 to 4 import kernels; others may import their types. index.ts exports the functions that choose kernels. */
export const onlyOpsCallKernels: Rule = eachImport((file, { target, typeOnly, reExport }) => {
  if (target === undefined || typeOnly || !isKernelFile(target) || isKernelFile(file)) return undefined;
  const layer = layerOf(file) ?? INDEX_LAYER;
  if (layer >= CALLERS.lowest && layer <= CALLERS.highest) return undefined;
  if (layer === INDEX_LAYER && reExport && target === 'kernels/state.ts') return undefined;
  return `imports values of ${target}`;
});

/** The WASM twin never imports the reference twin; its generators run at build time and are not shipped. */
export const twinsStandAlone: Rule = eachImport((file, { target }) => {
  if (target === undefined) return undefined;
  if (file.startsWith('kernels/wasm/') && target.startsWith('kernels/reference/')) return `imports ${target}`;
  if (!isGenerator(file) && isGenerator(target)) return `imports the generator ${target}`;
  return undefined;
});

/** Exports have names, and only index.ts re-exports those of other files; other files may re-export a type. */
export const noDefaultsNoBarrels: Rule = (modules) =>
  modules.flatMap(({ file, imports, hasDefaultExport, exportsStar, declaresExports }) => {
    const problems: string[] = [];
    if (hasDefaultExport) problems.push('has a default export');
    if (exportsStar) problems.push('has an export *');
    if (file !== 'index.ts') {
      const handedOn = imports.filter(({ reExport }) => reExport);
      if (handedOn.some(({ typeOnly }) => !typeOnly)) problems.push('re-exports values of another file');
      else if (handedOn.length > 0 && !declaresExports) problems.push('only re-exports: a barrel');
    } else if (declaresExports) problems.push('declares something of its own');
    return problems.map((problem) => `${file}: ${problem}`);
  });

/** A library prints nothing. */
export const noConsole: Rule = (modules) =>
  modules.filter(({ usesConsole }) => usesConsole).map(({ file }) => `${file}: uses console`);

/** Above the algebra of matrices only these files look at entries, each for a reason; all others leave that to kernels. */
const LOOKS_AT_ENTRIES: Readonly<Record<string, string>> = {
  'autograd/value-and-grad.ts': 'the value of the loss, where the scope ends',
  'inspect/bert-viz.ts': 'weights that become text',
  'inspect/heatmap-input.ts': 'numbers that become text',
  'inspect/heatmap-scale.ts': 'numbers that become colors',
  'inspect/heatmap-svg.ts': 'numbers that become text',
  'nn/initialization.ts': 'the first values of a parameter',
  'nn/models/causal-lm.ts': 'the first values of a table, narrower than its layer draws them',
  'nn/module.ts': 'what is stored and loaded',
  'nn/weights/permute-rotary.ts': 'what is stored and loaded',
  'train/gradient-check.ts': 'one entry is moved at a time',
  'train/optimizer.ts': 'what is stored and loaded',
};

export const entriesAreForKernels: Rule = (modules) =>
  modules
    .filter(({ file }) => (layerOf(file) ?? INDEX_LAYER) >= 3 && !(file in LOOKS_AT_ENTRIES))
    .flatMap(({ file, entriesOfData }) => entriesOfData.map((line) => `${file}: looks at entries: ${line}`));

/** One subject per file; a generator may be longer if it stays one subject. */
export const filesAreShort: Rule = (modules) =>
  modules
    .filter(({ file, lines }) => lines > MAX_LINES && !isGenerator(file))
    .map(({ file, lines }) => `${file}: has ${lines} lines, more than ${MAX_LINES}`);

/** In every folder one file says what the folder may know and what it must not: it begins with `// folder: …`. */
export const foldersOpen: Rule = (modules) => {
  const folderOfFile = (file: string) => file.slice(0, Math.max(0, file.lastIndexOf('/')));
  const folders = [...new Set(modules.map(({ file }) => folderOfFile(file)))].filter((folder) => folder !== '');
  return folders.flatMap((folder) => {
    const opening = modules.filter(
      (one) => folderOfFile(one.file) === folder && one.firstLine.startsWith(`// ${folder}: `),
    );
    return opening.length === 1 ? [] : [`${folder}: ${opening.length} files begin with \`// ${folder}: …\`, not one`];
  });
};

/**
 * Every file that declares a value has its test under the mirrored name. The kernel twins share one: kernels/gemm.test.ts tests
 * what kernels/reference/gemm.ts computes, on every twin. index.ts has the tests of the package.
 */
export function missingTests(modules: readonly SourceModule[], testFiles: ReadonlySet<string>): string[] {
  return modules
    .filter(
      ({ file, declaresValues }) =>
        declaresValues && file !== 'index.ts' && !isGenerator(file) && !file.endsWith('.generated.ts'),
    )
    .filter(({ file }) => !testNames(file).some((name) => testFiles.has(name)))
    .map(({ file }) => `${file}: has no test/${testNames(file).join(' or test/')}`);
}

function testNames(file: string): string[] {
  const own = file.replace(/\.ts$/, '.test.ts');
  const shared = own.replace(/^kernels\/[^/]+\/(?=[^/]+$)/, 'kernels/');
  return own === shared ? [own] : [own, shared];
}

export const IMPORT_RULES: Readonly<Record<string, Rule>> = {
  importsResolve,
  layersPointDown,
  siblingsDoNotMeet,
  noCycles,
  onlyOpsCallKernels,
  twinsStandAlone,
  noDefaultsNoBarrels,
  noConsole,
  entriesAreForKernels,
  filesAreShort,
};
