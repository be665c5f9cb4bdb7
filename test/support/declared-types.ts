import ts from 'typescript';

const { ModifierFlags, SymbolFlags, TypeFormatFlags } = ts;
const FORMAT = TypeFormatFlags.NoTruncation | TypeFormatFlags.UseSingleQuotesForStringLiteralType;
const HIDDEN = ModifierFlags.Private | ModifierFlags.Protected;

/**
 * Every export of a declaration file, by name: one line for the export, and an indented line for each of its members. Types
 * are those that the compiler infers, not those written; the order within a union does not depend on other declarations.
 */
export function declaredTypes(file: string): string {
  const program = ts.createProgram([file], {
    strict: true,
    skipLibCheck: true,
    types: [],
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2022.d.ts'],
    stableTypeOrdering: true,
  });
  const source = program.getSourceFile(file);
  const module = source && program.getTypeChecker().getSymbolAtLocation(source);
  if (!module) throw new Error(`${file} is no module`);
  return new Printer(program, module).lines().join('\n');
}

class Printer {
  readonly #program: ts.Program;
  readonly #checker: ts.TypeChecker;
  /** The exports and their names, by name. */
  readonly #names: ReadonlyMap<ts.Symbol, string>;

  constructor(program: ts.Program, module: ts.Symbol) {
    this.#program = program;
    this.#checker = program.getTypeChecker();
    const named = this.#checker.getExportsOfModule(module).map((symbol) => {
      const isAlias = symbol.flags & SymbolFlags.Alias;
      return [isAlias ? this.#checker.getAliasedSymbol(symbol) : symbol, symbol.name] as const;
    });
    this.#names = new Map(named.sort(([, a], [, b]) => (a < b ? -1 : 1)));
  }

  lines(): string[] {
    return [...this.#names].flatMap(([symbol, name]) => {
      if (symbol.flags & SymbolFlags.Class) return this.#class(symbol, name);
      if (symbol.flags & SymbolFlags.Function)
        return this.#calls(this.#checker.getTypeOfSymbol(symbol), `function ${name}`);
      if (symbol.flags & SymbolFlags.Value)
        return `value ${name}: ${this.#text(this.#checker.getTypeOfSymbol(symbol))}`;
      return this.#type(symbol, name);
    });
  }

  #class(symbol: ts.Symbol, name: string): string[] {
    const type = this.#checker.getDeclaredTypeOfSymbol(symbol);
    const base = this.#base(type);
    const baseType = base && this.#checker.getDeclaredTypeOfSymbol(base);
    const [constructed, ofBase] = [symbol, base].map((one) => one && this.#checker.getTypeOfSymbol(one));
    const statics = this.#own(constructed as ts.Type, ofBase).filter((member) => member.name !== 'name');
    return [
      `class ${name}${base ? ` extends ${this.#names.get(base) ?? base.name}` : ''}`,
      ...this.#calls(constructed as ts.Type, '  new ', ts.SignatureKind.Construct),
      ...statics.flatMap((member) => this.#member(member, '  static ')),
      ...this.#own(type, baseType).flatMap((member) => this.#member(member, '  ')),
    ];
  }

  #type(symbol: ts.Symbol, name: string): string[] {
    const type = this.#checker.getDeclaredTypeOfSymbol(symbol);
    const written = symbol.declarations?.find(
      (one) => ts.isTypeAliasDeclaration(one) || ts.isInterfaceDeclaration(one),
    );
    const parameters = written?.typeParameters?.map((parameter) => parameter.getText()).join(', ');
    const start = `type ${name}${parameters ? `<${parameters}>` : ''}`;
    const isBag = type.flags & ts.TypeFlags.Object && type.getCallSignatures().length === 0;
    if (!isBag) return [`${start} = ${this.#text(type, TypeFormatFlags.InTypeAlias)}`];
    const above = type.isClassOrInterface() ? this.#checker.getBaseTypes(type) : [];
    const named = above.filter(({ symbol }) => symbol.flags & SymbolFlags.Interface && this.#isOfLanguage(symbol));
    const ofLanguage = named.map((base) => ` extends ${this.#text(base)}`);
    return [start + ofLanguage.join(''), ...this.#own(type).flatMap((member) => this.#member(member, '  '))];
  }

  /** The nearest base class that is exported or built in. Members of classes in between count as members of the class itself. */
  #base(type: ts.Type): ts.Symbol | undefined {
    const [base] = this.#checker.getBaseTypes(type as ts.InterfaceType);
    if (base === undefined || this.#names.has(base.symbol) || this.#isOfLanguage(base.symbol)) return base?.symbol;
    return this.#base(base);
  }

  /** Public members that neither the base nor a built-in class has with the same type. */
  #own(type: ts.Type, base?: ts.Type): ts.Symbol[] {
    const inherited = new Set(base?.getProperties().map((member) => member.declarations?.[0]));
    return type.getProperties().filter((member) => {
      const [declaration] = member.declarations ?? [];
      if (member.name === 'prototype' || /^(__)?#/.test(member.name) || this.#isOfLanguage(member)) return false;
      const isHidden = declaration && ts.getCombinedModifierFlags(declaration) & HIDDEN;
      return !isHidden && !isInternal(member) && !inherited.has(declaration);
    });
  }

  #member(member: ts.Symbol, start: string): string[] {
    const flags = (member.declarations ?? []).map((one) => ts.getCombinedModifierFlags(one)).reduce((a, b) => a | b, 0);
    const isOnlyGot = (member.flags & SymbolFlags.Accessor) === SymbolFlags.GetAccessor;
    const isReadonly = isOnlyGot || (flags & ModifierFlags.Readonly) !== 0;
    const isOptional = (member.flags & SymbolFlags.Optional) !== 0;
    const name = member.name.replace(/^__@(\w+)@\d+$/, '[Symbol.$1]');
    const named = `${start}${isReadonly ? 'readonly ' : ''}${name}${isOptional ? '?' : ''}`;
    const type = this.#checker.getTypeOfSymbol(member);
    if (member.flags & SymbolFlags.Method) return this.#calls(type, named);
    return [`${named}: ${this.#text(isOptional ? this.#present(type) : type)}`];
  }

  /** `name(parameters): result` for every signature. */
  #calls(type: ts.Type, name: string, kind = ts.SignatureKind.Call): string[] {
    const reachable = this.#checker.getSignaturesOfType(type, kind).filter((signature) => !isInternal(signature));
    const lines = reachable.map((signature) => {
      const text = this.#checker.signatureToString(signature, undefined, FORMAT);
      // A ? already says that it may be undefined.
      return signature.parameters.reduce((shorter, parameter) => {
        const [type, start] = [this.#checker.getTypeOfSymbol(parameter), `${parameter.name}?: `];
        return shorter.replace(start + this.#text(type), start + this.#text(this.#present(type)));
      }, name + text);
    });
    return [...new Set(lines)];
  }

  /** Without undefined; null stays. */
  #present(type: ts.Type): ts.Type {
    const hasNull = type.isUnion() && type.types.some((part) => part.flags & ts.TypeFlags.Null);
    return hasNull ? type : this.#checker.getNonNullableType(type);
  }

  #isOfLanguage(symbol: ts.Symbol): boolean {
    const file = symbol.declarations?.[0]?.getSourceFile();
    return file !== undefined && this.#program.isSourceFileDefaultLibrary(file);
  }

  #text(type: ts.Type, more: ts.TypeFormatFlags = 0): string {
    return this.#checker.typeToString(type, undefined, FORMAT | more);
  }
}

function isInternal(one: ts.Symbol | ts.Signature): boolean {
  return one.getJsDocTags().some((tag) => tag.name === 'internal');
}
