import type { VisageAvatarUpload } from '../avatar-upload.js';
import type { Answer } from '../calls.js';
import { type Link, readLink } from './link.js';

const ENGLISH = {
  title: 'Your picture',
  back: 'Back',
  broken: 'This link can’t be used. Go back, and try again.',
  saved: 'Your picture is saved. You can close this page.',
  removed: 'Your picture is removed. You can close this page.',
};

const GERMAN: typeof ENGLISH = {
  title: 'Dein Bild',
  back: 'Zurück',
  broken: 'Dieser Link kann nicht benutzt werden. Geh zurück, und versuche es noch einmal.',
  saved: 'Dein Bild ist gespeichert. Du kannst diese Seite schließen.',
  removed: 'Dein Bild ist entfernt. Du kannst diese Seite schließen.',
};

/** Shows the editor that a link asks for. */
function open(link: Link): void {
  const texts = speak(link.language);
  const editor = document.createElement('visage-avatar-upload');
  const attributes = { 'avatar-id': link.id, may: link.may, shape: link.shape };
  for (const [name, value] of Object.entries(attributes)) editor.setAttribute(name, value);
  editor.getTicket = () => link.ticket;
  editor.addEventListener('visage-change', ({ detail }) => {
    // It is a ticket of the service's own: a change was made with it.
    leave(link, editor, detail, texts);
  });
  const back = document.createElement('button');
  Object.assign(back, { type: 'button', className: 'back', textContent: texts.back });
  back.addEventListener('click', () => {
    if (window.opener === null) history.back();
    else close();
  });
  document.querySelector('main')?.append(editor, ...(isFramed() ? [] : [back]));
}

/** Tells the page that opened this one, and only a page of the ticket's origin, and goes where the link says. */
function leave(link: Link, editor: VisageAvatarUpload, answer: Answer | null, texts: typeof ENGLISH): void {
  const { id, origin, returnTo } = link;
  const asker = isFramed() ? parent : (window.opener as Window | null);
  if (asker && origin !== undefined) asker.postMessage({ type: 'visage-change', id, answer }, origin);
  if (returnTo) {
    returnTo.searchParams.set('version', answer?.version ?? '');
    location.replace(returnTo);
  } else if (!isFramed()) {
    editor.remove();
    say(answer ? texts.saved : texts.removed);
    if (asker) close();
  }
}

function speak(language: string | undefined): typeof ENGLISH {
  const spoken = language ?? navigator.language;
  document.documentElement.lang = spoken;
  const texts = /^de\b/i.test(spoken) ? GERMAN : ENGLISH;
  document.title = texts.title;
  for (const heading of document.querySelectorAll('h1')) heading.textContent = texts.title;
  return texts;
}

function say(text: string): void {
  const message = document.querySelector<HTMLElement>('#message');
  if (message) Object.assign(message, { hidden: false, textContent: text });
}

function isFramed(): boolean {
  return parent !== window;
}

// Another link may be followed while the page is open.
addEventListener('hashchange', () => {
  location.reload();
});
try {
  open(readLink(location.hash));
} catch (error) {
  console.error(error);
  say(speak(undefined).broken);
}
