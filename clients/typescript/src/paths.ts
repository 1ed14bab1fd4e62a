/** Of an avatar. */
export function pathOf(id: string): string {
  return `/v1/avatars/${encodeURIComponent(id)}`;
}

/** Of bytes that never change. The service escapes ids there as it does in the names of objects; they are ASCII. */
export function immutablePathOf(id: string, version: string, file: string): string {
  const escaped = id.replaceAll(/[^a-z0-9_-]/g, (character) => `~${hex(character)}`);
  return `/v1/avatars/${escaped}/${version}/${file}`;
}

/** The query with what is not undefined. Quotes and parentheses are escaped, so that it can stand in HTML and CSS. */
export function queryOf(values: Record<string, string | number | boolean | undefined>): string {
  const pairs = Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${escaped(String(value))}`],
  );
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

function escaped(value: string): string {
  return encodeURIComponent(value).replaceAll(/['()*!]/g, (character) => `%${hex(character).toUpperCase()}`);
}

/** Two digits, of a character of ASCII. */
function hex(character: string): string {
  return character.charCodeAt(0).toString(16).padStart(2, '0');
}
