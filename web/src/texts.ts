import type { VisageError } from './problem.js';

/** What the element says. `{0}` stands for a number or a text. */
export const ENGLISH = {
  choose: 'Choose a picture',
  another: 'Choose another picture',
  photograph: 'Take a photo',
  hint: 'Or drop it here, or paste it.',
  kinds: 'JPEG, PNG, WebP or GIF',
  kindsUpTo: 'JPEG, PNG, WebP or GIF, at most {0} MB',
  stage: 'Part of the picture. The arrow keys move the picture, plus and minus zoom.',
  zoom: 'Zoom',
  zoomIn: 'Zoom in',
  zoomOut: 'Zoom out',
  left: 'Move the picture left',
  up: 'Move the picture up',
  down: 'Move the picture down',
  right: 'Move the picture right',
  rotate: 'Turn clockwise',
  reset: 'Reset',
  previews: 'This is how it will look',
  alt: 'Description for people who can’t see it',
  save: 'Save',
  discard: 'Cancel',
  cancel: 'Cancel',
  current: 'Current picture',
  remove: 'Remove',
  removeSure: 'Really remove?',
  earlier: 'Earlier pictures',
  noEarlier: 'There are no earlier pictures.',
  progress: 'Upload',

  opening: 'Opening the picture …',
  opened: 'The picture is open. Choose the part to show.',
  unseen: 'Your browser can’t show this picture. It is sent as it is.',
  zoomedTo: 'Zoom {0} %',
  movedTo: 'Moved',
  atEdge: 'The picture ends here',
  turnedTo: 'Turned by {0}°',
  wasReset: 'Reset',
  uploading: 'Uploading …',
  cancelled: 'Cancelled.',
  saved: 'Your picture is saved.',
  restored: 'This is your picture again.',
  removed: 'Your picture is removed.',

  required: 'Choose a picture.',
  no_connection: 'There is no connection. Check it, and try again.',
  no_ticket: 'You can’t change this picture at the moment. Reload the page, and sign in again if needed.',
  unsupported_image: 'This kind of file can’t be used. Choose a JPEG, PNG, WebP or GIF.',
  unreadable_image: 'This file can’t be opened as a picture. Choose another one.',
  image_too_large: 'This picture is too large. Choose a smaller one.',
  upload_too_large: 'This file is too large. Choose a smaller one.',
  upload_too_large_for: 'This file is too large. At most {0} MB are possible.',
  invalid_alt: 'The description is too long, or has characters that can’t be used.',
  avatar_locked: 'This picture can’t be changed. {0}',
  rate_limited: 'You have changed your picture too often. Try again later.',
  rate_limited_for: 'You have changed your picture too often. Try again in {0} min.',
  busy: 'The picture can’t be saved at the moment. Try again in a minute.',
  internal: 'The picture could not be saved. Try again later.',
};

export type Texts = typeof ENGLISH;

/** By the first part of a language tag (BCP 47). Only pages in a language load it. */
const LANGUAGES: Readonly<Record<string, () => Promise<{ TEXTS: Texts }>>> = {
  de: () => import('./languages/de.js'),
};

/** Codes that mean the same to the user, and by the status what others mean, such as those of a proxy. */
const ALIKE: Readonly<Record<number | string, keyof Texts>> = {
  empty_file: 'unreadable_image',
  truncated_body: 'no_connection',
  401: 'no_ticket',
  403: 'no_ticket',
  409: 'no_ticket',
  413: 'upload_too_large',
  429: 'rate_limited',
  502: 'busy',
  503: 'busy',
  504: 'busy',
  507: 'busy',
};

/** The language of an element, as a tag (BCP 47): that of the browser if the page does not say it well. */
export function languageOf(element: Element): string {
  const tag = element.closest('[lang]')?.getAttribute('lang') ?? '';
  try {
    return Intl.getCanonicalLocales(tag)[0] ?? navigator.language;
  } catch {
    // An empty one is allowed, and says that it is unknown.
    return navigator.language;
  }
}

/** The texts of a language: English if it isn't known, or can't be loaded. */
export async function textsIn(language: string): Promise<Texts> {
  const load = LANGUAGES[language.split('-')[0] ?? ''];
  if (!load) return ENGLISH;
  return load().then(
    // During an upgrade, the file may be of another release.
    ({ TEXTS }) => ({ ...ENGLISH, ...TEXTS }),
    () => ENGLISH,
  );
}

/** Puts a value into a text. */
export function fill(text: string, value: number | string): string {
  return text.replace('{0}', () => String(value));
}

/**
 * A size for people, such as 4.9: not too much, whether their device has 1,000 or 1,024 bytes in a kB.
 * @param language a language tag (BCP 47)
 */
export function megabytes(bytes: number, language: string): string {
  return (Math.floor(bytes / 104_857.6) / 10).toLocaleString(language);
}

/** A sentence for the user. @param language a language tag (BCP 47) */
export function sentenceFor({ code, facts }: VisageError, texts: Texts, language: string): string {
  const { maxBytes, retryAfter, reason = '', status = 0 } = facts;
  if (code === 'upload_too_large' && maxBytes) {
    return fill(texts.upload_too_large_for, megabytes(maxBytes, language));
  }
  if (code === 'rate_limited' && retryAfter) {
    return fill(texts.rate_limited_for, Math.ceil(retryAfter / 60));
  }
  const known = Object.hasOwn(texts, code) ? (code as keyof Texts) : (ALIKE[code] ?? ALIKE[status]);
  return fill(texts[known ?? 'internal'], reason).trim();
}
