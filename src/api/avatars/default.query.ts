import { Injectable, type PipeTransform } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { FALLBACK_NAMES, type Fallback, Fallbacks } from '../../delivery/fallbacks.js';
import { CodedError } from '../../errors.js';
import { type SCHEMES, SCHEME_SCHEMA } from '../openapi/schemas.js';

/** The longest name of a person, in characters. */
export const NAME_CHARACTERS = 256;
const INITIALS_CHARACTERS = 32;

/** `\p{Cs}`: half of a surrogate pair, which only JSON can bring, and no URL can have. */
const NAME = new RegExp(`^[^\\p{Cs}]{0,${NAME_CHARACTERS}}$`, 'u');
const INITIALS = new RegExp(`^.{0,${INITIALS_CHARACTERS}}$`, 'su');
const COLOR = /^#?[0-9a-fA-F]{6}$/;

/** What to show if there is no picture. */
export class DefaultQuery {
  @ApiPropertyOptional({
    type: 'string',
    description: `What to show if there is no picture: ${FALLBACK_NAMES.join(', ')}, or a URL that AVATAR_DEFAULT_URLS allows, which is answered by 302. 404: nothing. By default AVATAR_DEFAULT decides.`,
  })
  default?: Fallback;

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

  @ApiPropertyOptional(SCHEME_SCHEMA)
  scheme?: (typeof SCHEMES)[number];
}

/** @throws CodedError `invalid_default` */
@Injectable()
export class DefaultPipe implements PipeTransform<Record<string, unknown>, DefaultQuery> {
  constructor(private readonly fallbacks: Fallbacks) {}

  transform({ default: wanted, name, initials, color, scheme }: Record<string, unknown>): DefaultQuery {
    return {
      ...(wanted !== undefined && { default: this.fallback(wanted) }),
      ...(name !== undefined && { name: checked('name', name, NAME) }),
      ...(initials !== undefined && { initials: checked('initials', initials, INITIALS) }),
      ...(color !== undefined && { color: checked('color', color, COLOR).replace(/^#?/, '#') }),
      ...(scheme !== undefined && {
        scheme: checked('scheme', scheme, /^(?:light|dark)$/) as 'light' | 'dark',
      }),
    };
  }

  private fallback(text: unknown): Fallback {
    const fallback = typeof text === 'string' ? this.fallbacks.named(text) : undefined;
    return fallback ?? refuse('default');
  }
}

/** Whether `name=` takes it. */
export function isName(value: unknown): value is string {
  return typeof value === 'string' && NAME.test(value);
}

/** @throws CodedError `invalid_default` unless `name=` takes it */
export function assertName(name: string): void {
  checked('name', name, NAME);
}

function checked(parameter: keyof DefaultQuery, text: unknown, pattern: RegExp): string {
  return typeof text === 'string' && pattern.test(text) ? text : refuse(parameter);
}

function refuse(parameter: keyof DefaultQuery): never {
  throw new CodedError('invalid_default', `${parameter} has to be ${WANTED[parameter]}.`, { parameter });
}

const WANTED: Record<keyof DefaultQuery, string> = {
  default: `one of ${FALLBACK_NAMES.join(', ')}, or a URL that AVATAR_DEFAULT_URLS allows`,
  name: `a text of at most ${NAME_CHARACTERS} characters, given once`,
  initials: `a text of at most ${INITIALS_CHARACTERS} characters, given once`,
  color: 'six hex digits, such as 35a788',
  scheme: 'light or dark',
};
