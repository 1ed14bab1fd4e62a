import type { VisageError } from './problem.js';

/** What the element says. `{0}` stands for a number or a text. */
export const ENGLISH = {
  choose: 'Choose a picture',
  chooseAnother: 'Choose another picture',
  photograph: 'Take a photo',
  hint: 'Or drop it here, or paste it. JPEG, PNG, WebP or GIF.',
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
  cancel: 'Cancel',
  current: 'Current picture',
  remove: 'Remove',
  removeSure: 'Really remove?',
  earlier: 'Earlier pictures',
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
  removed: 'Your picture is removed.',

  required: 'Choose a picture.',
  no_connection: 'There is no connection. Check it, and try again.',
  no_ticket: 'You can’t change this picture at the moment. Reload the page, and sign in again if needed.',
  unsupported_image: 'This kind of file can’t be used. Choose a JPEG, PNG, WebP or GIF.',
  unreadable_image: 'This picture is damaged. Choose another one.',
  image_too_large: 'This picture is too large. Choose a smaller one.',
  upload_too_large: 'This file is too large. Choose a smaller one.',
  upload_too_large_for: 'This file is too large. At most {0} MB are possible.',
  invalid_alt: 'The description is too long, or has characters that can’t be used.',
  avatar_locked: 'This picture can’t be changed. {0}',
  rate_limited: 'You have changed your picture too often. Try again later.',
  rate_limited_for: 'You have changed your picture too often. Try again in {0} minutes.',
  busy: 'The picture can’t be saved at the moment. Try again in a minute.',
  internal: 'The picture could not be saved. Try again later.',
};

export type Texts = typeof ENGLISH;

/** By the first part of a language tag (BCP 47). Only pages in a language load it. */
const LANGUAGES: Readonly<Record<string, () => Promise<{ TEXTS: Texts }>>> = {
  de: () => import('./languages/de.js'),
};

/** Codes that mean the same to the user. */
const ALIKE: Readonly<Record<string, keyof Texts>> = {
  empty_file: 'unreadable_image',
  foreign_origin: 'no_ticket',
  insufficient_scope: 'no_ticket',
  outbox_full: 'busy',
  storage_full: 'busy',
  storage_unavailable: 'busy',
  ticket_expired: 'no_ticket',
  ticket_outdated: 'no_ticket',
  ticket_used: 'no_ticket',
  truncated_body: 'no_connection',
  unauthorized: 'no_ticket',
};

/** The texts of a language: English if it isn't known, or can't be loaded. */
export async function textsIn(language: string): Promise<Texts> {
  const load = LANGUAGES[language.split('-')[0]?.toLowerCase() ?? ''];
  if (!load) return ENGLISH;
  return load().then(
    ({ TEXTS }) => TEXTS,
    () => ENGLISH,
  );
}

/** Puts a value into a text. */
export function fill(text: string, value: number | string): string {
  return text.replace('{0}', () => String(value));
}

/** A sentence for the user. */
export function sentenceFor({ code, facts }: VisageError, texts: Texts): string {
  const { maxBytes, retryAfter, reason = '' } = facts;
  if (code === 'upload_too_large' && maxBytes !== undefined) {
    return fill(texts.upload_too_large_for, Math.floor(maxBytes / 1e5) / 10);
  }
  if (code === 'rate_limited' && retryAfter !== undefined) {
    return fill(texts.rate_limited_for, Math.ceil(retryAfter / 60));
  }
  const known = Object.hasOwn(texts, code) ? (code as keyof Texts) : ALIKE[code];
  return fill(texts[known ?? 'internal'], reason).trim();
}
