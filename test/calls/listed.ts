import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** One option: its dotted name, `causal` or `rope.base`, and what its type takes. */
export interface ListedOption {
  name: string;
  /** The kinds of value of the type: number, string, boolean, array, bag (of options), or the name of a class. */
  kinds: string[];
}

/** One parameter of a public callable. */
export interface ListedParameter extends ListedOption {
  optional: boolean;
  /** The options that it carries; empty for a parameter that is no bag of options. */
  options: ListedOption[];
}

/** A public function, constructor, static or method, by the name that the registries use. */
export interface ListedCallable {
  /** `gelu`, `new Linear`, `Matrix.from` (static), `Linear.forward` (method). */
  name: string;
  parameters: ListedParameter[];
}

const INDEX = fileURLToPath(new URL('../../src/index.ts', import.meta.url));

/**
 * Everything that can be called on the public surface, read from the types. A method is listed under the class that declares
 * it, or under the first exported class that inherits it.
 */
export function listedCallables(index: string = INDEX): ListedCallable[] {
  const program = ts.createProgram([index], {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    lib: ['lib.es2022.d.ts'],
    types: [],
    strict: true,
    noEmit: true,
  });
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(index);
  const module = source && checker.getSymbolAtLocation(source);
  if (module === undefined) throw new Error(`${index} is no module`);
  const exported = checker.getExportsOfModule(module).map((symbol) => resolved(checker, symbol));
  for (const symbol of exported) {
    // An import that leads nowhere has no declaration: its options would silently be missing from the list.
    if (symbol.declarations === undefined) throw new Error(`an export of ${index} cannot be resolved`);
  }
  const found = exported.flatMap((symbol) => {
    if (symbol.flags & ts.SymbolFlags.Class) return classCallables(checker, symbol, new Set(exported));
    if (symbol.flags & ts.SymbolFlags.Function)
      return signatures(checker, symbol.name, checker.getTypeOfSymbol(symbol).getCallSignatures());
    return [];
  });
  const names = found.map((callable) => callable.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw new Error(`${twice} is listed twice: a static and a method share a name, or it is overloaded`);
  return found;
}

/** `scaledDotProductAttention.causal`, `new Linear.bias`, `Matrix.sliceRows.end` …: every option and every optional parameter. */
export function listedOptions(callables: readonly ListedCallable[] = listedCallables()): string[] {
  return callables.flatMap(({ name, parameters }) =>
    parameters.flatMap((parameter) => {
      if (parameter.options.length > 0) return parameter.options.map((option) => `${name}.${option.name}`);
      return parameter.optional ? [`${name}.${parameter.name}`] : [];
    }),
  );
}

function resolved(checker: ts.TypeChecker, symbol: ts.Symbol): ts.Symbol {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
}

function classCallables(
  checker: ts.TypeChecker,
  symbol: ts.Symbol,
  exported: ReadonlySet<ts.Symbol>,
): ListedCallable[] {
  const constructorType = checker.getTypeOfSymbol(symbol);
  const instance = checker.getDeclaredTypeOfSymbol(symbol);
  const base = exportedBase(checker, instance, exported);
  const ownMembers = (type: ts.Type, baseType: ts.Type | undefined) =>
    type.getProperties().filter((member) => {
      if (!(member.flags & ts.SymbolFlags.Method) || !isPublic(member)) return false;
      if (member.name.startsWith('__@')) return false; // a symbol: called by the language
      return declaringClass(checker, member) === symbol || !baseType?.getProperty(member.name);
    });
  const methods = [
    ...ownMembers(constructorType, base && checker.getTypeOfSymbol(base)),
    ...ownMembers(instance, base && checker.getDeclaredTypeOfSymbol(base)),
  ];
  return [
    ...signatures(checker, `new ${symbol.name}`, constructorType.getConstructSignatures()),
    ...methods.flatMap((member) =>
      signatures(checker, `${symbol.name}.${member.name}`, checker.getTypeOfSymbol(member).getCallSignatures()),
    ),
  ];
}

/** The nearest class above that is listed itself. */
function exportedBase(checker: ts.TypeChecker, type: ts.Type, exported: ReadonlySet<ts.Symbol>): ts.Symbol | undefined {
  for (const base of checker.getBaseTypes(type as ts.InterfaceType)) {
    const symbol = base.getSymbol();
    if (symbol && exported.has(symbol)) return symbol;
    const above = exportedBase(checker, base, exported);
    if (above) return above;
  }
  return undefined;
}

function isPublic(member: ts.Symbol): boolean {
  const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected;
  return (member.declarations ?? []).every((d) => {
    const name = ts.getNameOfDeclaration(d);
    return !(ts.getCombinedModifierFlags(d) & hidden) && !(name && ts.isPrivateIdentifier(name));
  });
}

function declaringClass(checker: ts.TypeChecker, member: ts.Symbol): ts.Symbol | undefined {
  const parent = member.declarations?.[0]?.parent;
  return parent && ts.isClassLike(parent) && parent.name ? checker.getSymbolAtLocation(parent.name) : undefined;
}

function signatures(checker: ts.TypeChecker, name: string, of: readonly ts.Signature[]): ListedCallable[] {
  // Not those of Error, nor what only the library itself calls.
  const ours = of.filter((signature) => {
    const isInternal = signature.getJsDocTags().some((tag) => tag.name === 'internal');
    return !isInternal && (signature.declaration === undefined || !isOfLanguage(signature.declaration));
  });
  return ours.map((signature) => ({
    name,
    parameters: signature.parameters.map((parameter) => {
      const declaration = parameter.valueDeclaration;
      if (declaration === undefined || !ts.isParameter(declaration))
        throw new Error(`${name}: ${parameter.name} is no parameter`);
      const type = checker.getTypeOfSymbol(parameter);
      return {
        name: parameter.name,
        optional: checker.isOptionalParameter(declaration) || declaration.dotDotDotToken !== undefined,
        kinds: kindsOf(checker, type),
        options: optionsOf(checker, type),
      };
    }),
  }));
}

/** The properties of every bag of options among the constituents of a type, and of the bags within. */
function optionsOf(checker: ts.TypeChecker, type: ts.Type): ListedOption[] {
  const found = constituents(type)
    .filter((part) => isBag(checker, part))
    .flatMap((bag) =>
      bag.getProperties().flatMap((property) => {
        const inner = checker.getTypeOfSymbol(property);
        const nested = optionsOf(checker, inner).map((option) => ({
          ...option,
          name: `${property.name}.${option.name}`,
        }));
        return [{ name: property.name, kinds: kindsOf(checker, inner) }, ...nested];
      }),
    );
  return found.filter(({ name }, i) => found.findIndex((other) => other.name === name) === i);
}

function constituents(type: ts.Type): readonly ts.Type[] {
  return type.isUnion() ? type.types : [type];
}

function kindsOf(checker: ts.TypeChecker, type: ts.Type): string[] {
  const kinds = constituents(type).map((part) => {
    if (part.flags & ts.TypeFlags.NumberLike) return 'number';
    if (part.flags & ts.TypeFlags.StringLike) return 'string';
    if (part.flags & ts.TypeFlags.BooleanLike) return 'boolean';
    if (part.flags & ts.TypeFlags.Undefined) return 'undefined';
    if (isBag(checker, part) || part.getStringIndexType()) return 'bag';
    if (part.getCallSignatures().length > 0) return 'function';
    const name = part.getSymbol()?.name ?? '';
    if (/^(Uint8|Int32|Float32)Array$/.test(name)) return name;
    if (checker.isArrayLikeType(part) || part.getNumberIndexType()) return 'array';
    return name.replace(/^Readonly/, '');
  });
  return [...new Set(kinds)].filter((kind) => kind !== 'undefined');
}

/** A plain object type: no class, nothing with methods, no array or typed array, no function, none of the language's own types. */
function isBag(checker: ts.TypeChecker, type: ts.Type): boolean {
  if (type.isIntersection()) return type.types.every((part) => isBag(checker, part));
  if (!(type.flags & ts.TypeFlags.Object) || type.isClass() || type.getCallSignatures().length > 0) return false;
  if (checker.isArrayLikeType(type) || checker.getIndexInfosOfType(type).length > 0) return false;
  if (type.getProperties().some((property) => property.flags & ts.SymbolFlags.Method)) return false;
  const symbol = type.getSymbol();
  if (symbol === undefined || symbol.flags & ts.SymbolFlags.Class) return false;
  // Omit<…> and its like are the language's, but nameless.
  return symbol.name === '__type' || !(symbol.declarations ?? []).some(isOfLanguage);
}

function isOfLanguage(declaration: ts.Node): boolean {
  return /\/lib\.[^/]*\.d\.ts$/.test(declaration.getSourceFile().fileName);
}
