import { urlFor } from './calls.js';
import { noConnection } from './problem.js';
import type { Service } from './service.js';
import type { View } from './view.js';

/** How long the history may take, in ms. */
const MOST_MS = 30_000;

/** What the element does about its history. */
export interface Owner {
  /** A language tag (BCP 47). */
  language: () => string;
  /** The user has chosen one. */
  restore: (version: string) => void;
  /** There is nothing to choose from. */
  none: () => void;
  fail: (error: unknown) => void;
}

/**
 * Shows and hides the pictures that can be restored, by a button.
 * @returns what hides them
 */
export function followEarlier(view: View, service: Service, owner: Owner): () => void {
  const { versions, earlier } = view;
  const show = (isShown: boolean): void => {
    versions.hidden = !isShown;
    earlier.ariaExpanded = String(isShown);
  };
  const open = async (): Promise<void> => {
    const history = await service.history(AbortSignal.timeout(MOST_MS));
    const { buttonsOf } = await import('./history.js').catch(() => {
      throw noConnection('history.js');
    });
    versions.replaceChildren(...buttonsOf(history, owner.language(), urlFor, owner.restore));
    const isThere = history.versions.length > 0;
    show(isThere);
    if (!isThere) owner.none();
  };

  show(false);
  earlier.addEventListener('click', () => {
    view.error.textContent = '';
    if (versions.hidden) open().catch(owner.fail);
    else show(false);
  });
  return () => {
    show(false);
  };
}
