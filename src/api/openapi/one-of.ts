import { getSchemaPath } from '@nestjs/swagger';

/**
 * The schema of a body that has at least one of some lists of texts.
 * @param more what that list has to keep, besides the rules that the class gives it
 */
export function withOneOf(
  Body: new () => object,
  lists: readonly string[],
  more: { minItems?: number } = {},
) {
  const list = { type: 'array' as const, items: { type: 'string' as const }, ...more };
  const having = (name: string) => ({
    allOf: [
      { $ref: getSchemaPath(Body) },
      { type: 'object' as const, required: [name], properties: { [name]: list } },
    ],
  });
  return { anyOf: lists.map(having) };
}
