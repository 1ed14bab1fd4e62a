import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiExtraModels, getSchemaPath } from '@nestjs/swagger';

/**
 * A body that has at least one of some lists of texts.
 * @param more what that list has to keep, besides the rules that the class gives it
 */
export function DescribeOneOf(
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
  return applyDecorators(ApiExtraModels(Body), ApiBody({ schema: { anyOf: lists.map(having) } }));
}
