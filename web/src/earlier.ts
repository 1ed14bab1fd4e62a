import { type Answer, urlFor } from './calls.js';
import type { Service } from './service.js';
import type { View } from './view.js';

/** How long the history may take, in ms. */
const MOST_MS = 30_000;

/** The edge of a picture of the history in px, doubled for sharp screens. */
const EDGE = 128;

/** The pictures that can be restored: shown and hidden by a button. */
export class Earlier {
  readonly #view: View;
  readonly #service: Service;
  readonly #restore: (version: string) => void;

  /** @param restore is called when the user has chosen one */
  constructor(view: View, service: Service, restore: (version: string) => void) {
    this.#view = view;
    this.#service = service;
    this.#restore = restore;
    this.hide();
  }

  /** @throws VisageError why there is no history to see */
  async toggle(language: string): Promise<void> {
    const { versions } = this.#view;
    if (!versions.hidden) {
      this.hide();
      return;
    }
    const history = await this.#service.history(AbortSignal.timeout(MOST_MS));
    const buttons = history.versions.map((answer) =>
      this.#button(answer, answer.version === history.current, language),
    );
    versions.replaceChildren(...buttons);
    this.#show(true);
  }

  hide(): void {
    this.#show(false);
  }

  #show(isShown: boolean): void {
    this.#view.versions.hidden = !isShown;
    this.#view.earlier.ariaExpanded = String(isShown);
  }

  #button(answer: Answer, isCurrent: boolean, language: string): HTMLButtonElement {
    const { version, uploadedAt, alt = '', color } = answer;
    const time = new Date(uploadedAt).toLocaleString(language);
    const button = this.#view.version(urlFor(answer, EDGE), `${time} ${alt}`.trim(), color);
    if (isCurrent) button.ariaCurrent = 'true';
    button.addEventListener('click', () => {
      this.#restore(version);
    });
    return button;
  }
}
