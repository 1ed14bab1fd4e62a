/** Faces and patterns, drawn by a library. */
export const CHARACTERS = ['identicon', 'monsterid', 'retro', 'robohash', 'wavatar'] as const;
export type Character = (typeof CHARACTERS)[number];

export const PLACEHOLDER_KINDS = ['initials', 'color', 'mp', 'blank', ...CHARACTERS] as const;
export type PlaceholderKind = (typeof PLACEHOLDER_KINDS)[number];
