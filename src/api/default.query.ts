import type { PipeTransform } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { CodedError } from '../errors.js';
import { PLACEHOLDER_KINDS } from '../model/placeholder-kinds.js';

const NAME_CHARACTERS = 256;
const INITIALS_CHARACTERS = 32;

const NAME = new RegExp(`^.{0,${NAME_CHARACTERS}}$`, 'su');
const INITIALS = new RegExp(`^.{0,${INITIALS_CHARACTERS}}$`, 'su');
const COLOR = /^#?[0-9a-fA-F]{6}$/;

/** What to show if there is no picture. */
export class DefaultQuery {
  @ApiPropertyOptional({
    type: 'string',
    enum: ['404', 'mm', ...PLACEHOLDER_KINDS],
    description: 'What to show if there is no picture. 404: nothing. By default AVATAR_DEFAULT decides.',
  })
  default?: string;

  @ApiPropertyOptional({
    type: 'string',
    maxLength: NAME_CHARACTERS,
    description: 'The name of the person, for `default=initials`.',
  })
  name?: string;

  @ApiPropertyOptional({
    type: 'string',
    maxLength: INITIALS_CHARACTERS,
    description: 'The initials to show instead of those of the name.',
  })
  initials?: string;

  @ApiPropertyOptional({
    type: 'string',
    pattern: COLOR.source,
    example: '35a788',
    description: 'The background. By default it follows from the id.',
  })
  color?: string;

  @ApiPropertyOptional({
    type: 'string',
    enum: ['light', 'dark'],
    description: 'Colours for a light or a dark page.',
  })
  scheme?: 'light' | 'dark';
}

/** @throws CodedError `invalid_default` */
export const DefaultPipe: PipeTransform<Record<string, unknown>, DefaultQuery> = {
  transform: ({ default: kind, name, initials, color, scheme }) => ({
    ...(kind !== undefined && { default: checked('default', kind, DEFAULT) }),
    ...(name !== undefined && { name: checked('name', name, NAME) }),
    ...(initials !== undefined && { initials: checked('initials', initials, INITIALS) }),
    ...(color !== undefined && { color: checked('color', color, COLOR).replace(/^#?/, '#') }),
    ...(scheme !== undefined && {
      scheme: checked('scheme', scheme, /^(?:light|dark)$/) as 'light' | 'dark',
    }),
  }),
};

const DEFAULT = new RegExp(`^(?:404|mm|${PLACEHOLDER_KINDS.join('|')})$`);

function checked(parameter: keyof DefaultQuery, text: unknown, pattern: RegExp): string {
  if (typeof text === 'string' && pattern.test(text)) return text;
  throw new CodedError('invalid_default', `${parameter} has to be ${WANTED[parameter]}.`, { parameter });
}

const WANTED: Record<keyof DefaultQuery, string> = {
  default: `404, mm or one of ${PLACEHOLDER_KINDS.join(', ')}`,
  name: `a text of at most ${NAME_CHARACTERS} characters, given once`,
  initials: `a text of at most ${INITIALS_CHARACTERS} characters, given once`,
  color: 'six hex digits, such as 35a788',
  scheme: 'light or dark',
};
