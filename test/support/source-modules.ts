import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

// What the rules of house-rules.ts look at: every file of src with its imports and exports.

export interface Import {
  /** As written: './errors.js', 'node:fs'. */
  readonly specifier: string;
  /** The file it names, relative to src, or undefined if it names a package. */
  readonly target?: string;
  /** A re-export: `export … from`. */
  readonly reExport: boolean;
  /** It imports only types, of which nothing remains at run time. */
  readonly typeOnly: boolean;
}

export interface SourceModule {
  /** Relative to src, with forward slashes. */
  readonly file: string;
  readonly imports: readonly Import[];
  readonly hasDefaultExport: boolean;
  /** It exports something that exists at run time and is declared in the file itself. */
  readonly declaresValues: boolean;
  /** It exports something declared in the file itself, a type included. */
  readonly declaresExports: boolean;
  /** `export * from`. */
  readonly exportsStar: boolean;
  readonly usesConsole: boolean;
  /** Lines that read or write entries of somebody's `data`, as written. */
  readonly entriesOfData: readonly string[];
  readonly firstLine: string;
  readonly lines: number;
}

export const projectRoot = fileURLToPath(new URL('../..', import.meta.url));

/** Every module under src. */
export function readSource(): SourceModule[] {
  const names = readdirSync(`${projectRoot}src`, { recursive: true, encoding: 'utf8' });
  const files = names.map((name) => name.replaceAll('\\', '/')).filter((name) => name.endsWith('.ts'));
  return files.sort().map((file) => parseModule(file, readFileSync(`${projectRoot}src/${file}`, 'utf8')));
}

/** One module from its text; `file` is relative to src. */
export function parseModule(file: string, text: string): SourceModule {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true);
  const imports: Import[] = [];
  let hasDefaultExport = false;
  let declaresValues = false;
  let declaresExports = false;
  let exportsStar = false;
  let usesConsole = false;
  const entriesOfData: string[] = [];
  const namesOfData = new Set<string>();

  const add = (specifier: ts.Node, reExport: boolean, typeOnly: boolean) => {
    const name = ts.isStringLiteralLike(specifier) ? specifier.text : `(computed) ${specifier.getText()}`;
    const target = name.startsWith('.') ? posix.join(posix.dirname(file), name).replace(/\.js$/, '.ts') : undefined;
    imports.push({ specifier: name, target, reExport, typeOnly });
  };

  /** `x.data`, or what it was called: `const { data } = x`, `({ data: y }) => …`. */
  const isData = (node: ts.Node): boolean => {
    if (ts.isParenthesizedExpression(node) || ts.isAsExpression(node)) return isData(node.expression);
    return ts.isPropertyAccessExpression(node)
      ? node.name.text === 'data'
      : ts.isIdentifier(node) && namesOfData.has(node.text);
  };
  const noteEntries = (node: ts.Node) => {
    const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
    const [start, end] = [source.getPositionOfLineAndCharacter(line, 0), text.indexOf('\n', node.getStart(source))];
    entriesOfData.push(text.slice(start, end === -1 ? undefined : end).trim());
  };
  const findNames = (node: ts.Node): void => {
    if (ts.isBindingElement(node) && ts.isIdentifier(node.name)) {
      if ((node.propertyName ?? node.name).getText(source) === 'data') namesOfData.add(node.name.text);
    } else if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name) && node.initializer) {
      if (isData(node.initializer)) namesOfData.add(node.name.text);
    }
    ts.forEachChild(node, findNames);
  };
  findNames(source);

  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, false, isTypeImport(node.importClause));
    else if (ts.isExportDeclaration(node)) {
      const typeOnly = node.isTypeOnly || namesTypesOnly(node.exportClause);
      if (node.moduleSpecifier) add(node.moduleSpecifier, true, typeOnly);
      else {
        declaresExports = true;
        declaresValues ||= !typeOnly;
      }
      exportsStar ||= !node.exportClause || ts.isNamespaceExport(node.exportClause);
      hasDefaultExport ||= exportsTheNameDefault(node.exportClause);
    } else if (ts.isExportAssignment(node)) hasDefaultExport = true;
    else if (ts.isImportTypeNode(node)) add(literalOf(node.argument), false, true);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0], false, false);
    } else if (isConsole(node)) usesConsole = true;
    else if (ts.isPropertyAccessExpression(node) && readsEntries(node) && isData(node.expression)) noteEntries(node);
    else if (ts.isElementAccessExpression(node) && isData(node.expression)) noteEntries(node);
    else if (isIterated(node) && isData(node)) noteEntries(node);
    else if (ts.canHaveModifiers(node) && isTopLevel(node)) {
      const kinds = ts.getModifiers(node)?.map((modifier) => modifier.kind) ?? [];
      if (kinds.includes(ts.SyntaxKind.ExportKeyword)) {
        declaresExports = true;
        declaresValues ||= !ts.isInterfaceDeclaration(node) && !ts.isTypeAliasDeclaration(node);
        hasDefaultExport ||= kinds.includes(ts.SyntaxKind.DefaultKeyword);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);

  const firstLine = text.slice(0, text.indexOf('\n'));
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
  return {
    file,
    imports,
    hasDefaultExport,
    declaresValues,
    declaresExports,
    exportsStar,
    usesConsole,
    entriesOfData: [...new Set(entriesOfData)],
    firstLine,
    lines,
  };
}

function isTypeImport(clause: ts.ImportClause | undefined): boolean {
  if (!clause) return false; // `import './x.js'` runs x
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const bindings = clause.namedBindings;
  return (
    !clause.name &&
    bindings !== undefined &&
    ts.isNamedImports(bindings) &&
    bindings.elements.length > 0 &&
    bindings.elements.every((element) => element.isTypeOnly)
  );
}

function namesTypesOnly(clause: ts.NamedExportBindings | undefined): boolean {
  return (
    clause !== undefined &&
    ts.isNamedExports(clause) &&
    clause.elements.length > 0 &&
    clause.elements.every((element) => element.isTypeOnly)
  );
}

function exportsTheNameDefault(clause: ts.NamedExportBindings | undefined): boolean {
  return (
    clause !== undefined &&
    ts.isNamedExports(clause) &&
    clause.elements.some((element) => element.name.text === 'default')
  );
}

/** Methods of arrays that look at entries; `subarray`, `length` and `buffer` do not. */
const READING = [
  'at',
  'fill',
  'filter',
  'find',
  'findIndex',
  'forEach',
  'every',
  'entries',
  'includes',
  'indexOf',
  'join',
];
const WRITING = ['keys', 'map', 'reduce', 'reduceRight', 'reverse', 'set', 'slice', 'some', 'sort', 'values'];

/** `….forEach(…)` of whatever stands before it. */
function readsEntries(node: ts.PropertyAccessExpression): boolean {
  const isCalled = ts.isCallExpression(node.parent) && node.parent.expression === node;
  return isCalled && [...READING, ...WRITING].includes(node.name.text);
}

/** What `…x`, `for (… of x)`, `Array.from(x)` and `set(x)` go through. */
function isIterated(node: ts.Node): boolean {
  const { parent } = node;
  if (parent === undefined) return false;
  if (ts.isSpreadElement(parent)) return true;
  if (ts.isForOfStatement(parent)) return parent.expression === node;
  if (!ts.isCallExpression(parent) || parent.expression === node) return false;
  return ts.isPropertyAccessExpression(parent.expression) && ['from', 'set'].includes(parent.expression.name.text);
}

function literalOf(argument: ts.TypeNode): ts.Node {
  return ts.isLiteralTypeNode(argument) ? argument.literal : argument;
}

function isTopLevel(node: ts.Node): boolean {
  return node.parent !== undefined && ts.isSourceFile(node.parent);
}

/** `console.log(…)` or `console` handed on: the global, not a property or a declaration of that name. */
function isConsole(node: ts.Node): boolean {
  if (!ts.isIdentifier(node) || node.text !== 'console') return false;
  const parent = node.parent;
  return !('name' in parent && parent.name === node);
}
