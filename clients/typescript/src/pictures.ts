import type { Default, Format } from './answers.js';
import { immutablePathOf, pathOf, queryOf } from './paths.js';

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

/** A picture in an `<img>`. */
export interface ShownImage extends Shown {
  /** The name unless you say otherwise. Beside a written name, say ''. */
  alt?: string;
  loading?: 'lazy' | 'eager';
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

/** @param base of the service, without a slash at its end */
export function avatarProps(base: string, shown: ShownImage): AvatarProps {
  const { size = DEFAULT_SIZE, name = '', alt = name, loading = 'lazy' } = shown;
  return {
    src: src(base, shown),
    srcSet: srcset(base, shown),
    sizes: `${size}px`,
    width: size,
    height: size,
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
  if (version !== undefined) return base + immutablePathOf(id, version, `${edge}.${format ?? 'webp'}`);
  const query = queryOf({
    size: edge,
    format,
    default: fallback ?? (name === undefined || name === '' ? undefined : 'initials'),
    name: name === '' ? undefined : name,
    scheme,
  });
  return base + pathOf(id) + query;
}

function edgeOf(px: number): number {
  return Math.min(Math.max(Math.ceil(px), SMALLEST), LARGEST);
}
