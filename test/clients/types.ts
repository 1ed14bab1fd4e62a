import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** What the fields of a type are called, with a question mark for those that may be absent. */
export type Fields = Record<string, string[]>;

/** The interfaces and the unions of texts that a source file exports. */
export function typesOf(file: string): { fields: Fields; texts: Fields } {
  const path = fileURLToPath(new URL(`../../clients/typescript/src/${file}`, import.meta.url));
  const program = ts.createProgram([path], { strict: true, noEmit: true, types: [] });
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(path);
  const module = source && checker.getSymbolAtLocation(source);
  if (!module) throw new Error(`${path} exports nothing`);
  const fields: Fields = {};
  const texts: Fields = {};
  for (const symbol of checker.getExportsOfModule(module)) {
    const type = checker.getDeclaredTypeOfSymbol(symbol);
    if (type.isUnion()) {
      texts[symbol.name] = type.types.flatMap((one) => (one.isStringLiteral() ? [one.value] : [])).sort();
    } else {
      fields[symbol.name] = checker.getPropertiesOfType(type).map((property) => {
        const optional = (property.flags & ts.SymbolFlags.Optional) !== 0;
        return described(property.name, optional, kindOf(checker.getTypeOfSymbol(property)));
      });
      fields[symbol.name]?.sort();
    }
  }
  return { fields, texts };

  function kindOf(type: ts.Type): string {
    const present = checker.getNonNullableType(type);
    const nullable = type.isUnion() && type.types.some((one) => one.flags & ts.TypeFlags.Null) ? '|null' : '';
    const [one = present] = present.isUnion() ? present.types : [present];
    if (one.flags & ts.TypeFlags.StringLike) return `string${nullable}`;
    if (one.flags & ts.TypeFlags.NumberLike) return `number${nullable}`;
    if (one.flags & ts.TypeFlags.BooleanLike) return `boolean${nullable}`;
    // An intersection such as `string & {}` leaves room for texts that are not listed.
    if (one.isIntersection()) return kindOf(one.types[0] ?? one);
    return `${checker.isArrayType(one) ? 'array' : 'object'}${nullable}`;
  }
}

/** @param kind of JSON, with `|null` if it may be null */
export function described(name: string, optional: boolean, kind: string): string {
  return `${name}${optional ? '?' : ''}: ${kind}`;
}
