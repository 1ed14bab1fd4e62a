import { VisageAvatarUpload } from './avatar-upload.js';
import { VisageError } from './problem.js';

export type { Answer } from './calls.js';
export type { Texts } from './texts.js';
export type { TicketSource } from './tickets.js';
export { VisageAvatarUpload, VisageError };

declare global {
  interface HTMLElementTagNameMap {
    'visage-avatar-upload': VisageAvatarUpload;
  }
  interface HTMLElementEventMap {
    'visage-change': CustomEvent<import('./calls.js').Answer | null>;
    'visage-error': CustomEvent<VisageError>;
  }
}

/** Servers have no registry. A page may load the script twice, by two URLs. */
const registry = (globalThis as { customElements?: CustomElementRegistry }).customElements;
if (registry && !registry.get('visage-avatar-upload'))
  registry.define('visage-avatar-upload', VisageAvatarUpload);
