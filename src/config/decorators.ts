import { Transform, Type } from 'class-transformer';
import { IsBoolean, IsInt, IsObject, IsUrl, Matches, Max, Min, ValidateBy } from 'class-validator';
import { faultOfApiKeys } from './api-keys.js';
import { readRate } from './rates.js';
import { namesProxies } from './trusted-proxies.js';

/** What `@IsUrl` accepts as the URL of a server, also of one in a local network. */
export const WEB_URL = { protocols: ['http', 'https'], require_protocol: true, require_tld: false };

/** A whole number from `min` to `max`. */
export function IsInteger(min: number, max = Number.MAX_SAFE_INTEGER): PropertyDecorator {
  return all(
    Type(() => Number),
    IsInt(),
    Min(min),
    Max(max),
  );
}

/** `true`, `false`, `1` or `0`. */
export function IsFlag(): PropertyDecorator {
  const words = new Map<unknown, boolean>([
    ['true', true],
    ['false', false],
    ['1', true],
    ['0', false],
  ]);
  return all(
    Transform(({ value }: { value: unknown }) => words.get(value) ?? value),
    IsBoolean({ message: '$property must be true or false' }),
  );
}

/** Items separated by commas; each is trimmed, then converted. */
export function IsList(convert: (item: string) => unknown = String): PropertyDecorator {
  const split = (text: string) => text.split(',').map((item) => convert(item.trim()));
  return Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? split(value) : value));
}

/**
 * An http or https URL without user and password, because the log prints it, and without a query and a
 * fragment, since paths are appended. It is kept without its trailing slashes.
 */
export function IsWebUrl(): PropertyDecorator {
  return all(
    Transform(({ value }: { value: unknown }) =>
      typeof value === 'string' ? value.replace(/\/+$/, '') : value,
    ),
    isUrl({ allow_query_components: false }, 'user, password, query and fragment'),
  );
}

/** The same if nothing is appended: it may have a query, and stays as it is. */
export function IsWholeUrl(): PropertyDecorator {
  return isUrl({}, 'user, password and fragment');
}

function isUrl(options: object, lacks: string): PropertyDecorator {
  const message = `$property must be a URL without ${lacks} that starts with http:// or https://`;
  return IsUrl({ ...WEB_URL, disallow_auth: true, allow_fragments: false, ...options }, { message });
}

/** The proxies of TRUST_PROXY. */
export function IsProxies(): PropertyDecorator {
  const validator = { validate: (value: unknown) => Array.isArray(value) && namesProxies(value) };
  const message =
    '$property must be the addresses or networks of your proxies, such as 10.0.0.0/8, comma separated, or their number, such as 1';
  return ValidateBy({ name: 'isProxies', validator }, { message });
}

/** The keys of API_KEYS. */
export function IsApiKeys(): PropertyDecorator {
  const fault = (value: unknown) => (Array.isArray(value) ? faultOfApiKeys(value) : 'it is no list');
  const validator = { validate: (value: unknown) => fault(value) === undefined };
  const message = ({ value }: { value: unknown }) => `$property cannot be used: ${fault(value) ?? ''}`;
  return ValidateBy({ name: 'isApiKeys', validator }, { message });
}

/** A rate like `20/1h`, kept as a `Rate`. */
export function IsRate(): PropertyDecorator {
  const message =
    '$property must be a number and a time of at most 31 days, such as 20/1h: so many within so many s, m, h or d';
  return all(
    Transform(({ value }: { value: unknown }) =>
      typeof value === 'string' ? (readRate(value) ?? value) : value,
    ),
    IsObject({ message }),
  );
}

/**
 * A key that only Visage knows, or with `each` a list of them. White space would not be seen, such as the end
 * of a line from a file, and would make it another key.
 */
export function IsSecret({ each = false } = {}): PropertyDecorator {
  const wanted = each
    ? 'secrets of at least 32 characters each, comma separated,'
    : 'a secret of at least 32 characters';
  const message = `$property must be ${wanted} of ASCII without spaces. Make one with: openssl rand -hex 32`;
  return Matches(/^[!-~]{32,}$/, { each, message });
}

/** What others have named: 1 to 512 characters of ASCII without spaces. @param each of a list */
export function IsText({ each = false } = {}): PropertyDecorator {
  const message = `$property must be 1 to 512 characters of ASCII without spaces${each ? ' each, comma separated' : ''}`;
  return Matches(/^[!-~]{1,512}$/, { each, message });
}

/** Letters of either case, kept in lower case. */
export function IsLowerCase(): PropertyDecorator {
  return Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' ? value.toLowerCase() : value,
  );
}

function all(...decorators: PropertyDecorator[]): PropertyDecorator {
  return (target, property) => {
    for (const decorate of decorators) decorate(target, property);
  };
}
