import type { Default, Format } from './answers.js';

/** A picture on a page. */
export interface Shown {
  id: string;
  /** Its edge on the page, in px of CSS; 64 unless you say otherwise. */
  size?: number;
  /** Whose it is: without a picture, their initials are shown. */
  name?: string;
  /** If you know the current version: its URL never changes and needs no question. It shows nothing once the avatar is removed. */
  version?: string;
  /** What is shown without a picture: initials if there is a name, otherwise what the service is set to. */
  default?: Default | (string & {});
  /** Of the page. Otherwise the browser decides. */
  scheme?: 'light' | 'dark';
  format?: Format;
}

/** For `<img>`, as React names it. */
export interface AvatarProps {
  src: string;
  srcSet: string;
  sizes: string;
  width: number;
  height: number;
  alt: string;
  loading: 'lazy' | 'eager';
}

/** For `<source>` in a `<picture>`. */
export interface SourceProps {
  srcSet: string;
  sizes: string;
  media: string;
}

const DEFAULT_SIZE = 64;
/** What the service takes, in px. */
const [SMALLEST, LARGEST] = [16, 1024];
/** Pixels of screens for one of CSS. */
const DENSITIES = [1, 2, 3];

/** The URL of a picture. It asks nobody. @param base of the service, without a slash at its end */
export function src(base: string, shown: Shown): string {
  return urlOf(base, shown, edgeOf(shown.size ?? DEFAULT_SIZE));
}

/** URLs for all screens, to go with `sizes`. */
export function srcset(base: string, shown: Shown): string {
  const edges = new Set(DENSITIES.map((density) => edgeOf((shown.size ?? DEFAULT_SIZE) * density)));
  return Array.from(edges, (edge) => `${urlOf(base, shown, edge)} ${edge}w`).join(', ');
}

/** @param more `alt`: the name unless you say otherwise. Beside a written name, say '' */
export function avatarProps(
  base: string,
  shown: Shown & { alt?: string; loading?: 'lazy' | 'eager' },
): AvatarProps {
  const { size = DEFAULT_SIZE, name = '', alt = name, loading = 'lazy' } = shown;
  const [width, height] = [size, size];
  return {
    src: src(base, shown),
    srcSet: srcset(base, shown),
    sizes: `${size}px`,
    width,
    height,
    alt,
    loading,
  };
}

/** What dark pages show: it differs for people without a picture only. */
export function darkProps(base: string, shown: Shown): SourceProps {
  const dark = { ...shown, scheme: 'dark' } as const;
  const sizes = `${shown.size ?? DEFAULT_SIZE}px`;
  return { srcSet: srcset(base, dark), sizes, media: '(prefers-color-scheme: dark)' };
}

function urlOf(
  base: string,
  { id, name, version, default: fallback, scheme, format }: Shown,
  edge: number,
): string {
  if (version !== undefined)
    return `${base}/v1/avatars/${escaped(id)}/${version}/${edge}.${format ?? 'webp'}`;
  const query = queryOf({
    size: edge,
    format,
    default: fallback ?? (name === undefined || name === '' ? undefined : 'initials'),
    name: name === '' ? undefined : name,
    scheme,
  });
  return `${base}/v1/avatars/${encodeURIComponent(id)}${query}`;
}

function edgeOf(px: number): number {
  return Math.min(Math.max(Math.ceil(px), SMALLEST), LARGEST);
}

/** As the service names objects. Ids are ASCII. */
function escaped(id: string): string {
  return id.replaceAll(
    /[^a-z0-9_-]/g,
    (character) => `~${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

/** The query with what is not undefined. Quotes and parentheses are escaped, so that it can stand in HTML and CSS. */
export function queryOf(values: Record<string, string | number | boolean | undefined>): string {
  const pairs = Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(String(value)).replaceAll(/['()*!]/g, hex)}`);
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

function hex(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}
