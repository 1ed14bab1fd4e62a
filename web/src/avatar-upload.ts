import { type Answer, urlFor } from './calls.js';
import { followEarlier } from './earlier.js';
import { Framer } from './framer.js';
import { followFiles } from './intake.js';
import { COMMON, openPicture } from './picture.js';
import { VisageError } from './problem.js';
import { Service, assertSize } from './service.js';
import css from './styles.css';
import { ENGLISH, type Texts, fill, languageOf, megabytes, sentenceFor, textsIn } from './texts.js';
import type { TicketSource } from './tickets.js';
import { View } from './view.js';

/** The edge in px of the current picture on the screen, doubled for sharp screens. */
const SHOWN = 256;

/** After these refusals, the same file would be refused again. */
const HOPELESS = /^empty_file$|_image$|_too_large$/;

type State = 'empty' | 'framing' | 'uploading' | 'done';

/** A server renders pages without a DOM: the element can be imported there, and not made. */
const Base =
  (globalThis as { HTMLElement?: typeof HTMLElement }).HTMLElement ??
  (Object as unknown as typeof HTMLElement);

/**
 * `<visage-avatar-upload>`: lets a user choose a picture and a part of it. With `ticket-url` or `getTicket`
 * it uploads to Visage by itself; otherwise it is a control of its form, which submits `file`, `crop`,
 * `rotate` and `alt`. The picture is sent as it is, never encoded anew.
 *
 * Fires `visage-change` with the answer of the service, `visage-error` with a `VisageError`, and `change`
 * when a file was chosen or forgotten. All bubble.
 */
export class VisageAvatarUpload extends Base {
  static readonly formAssociated = true;
  static readonly observedAttributes = [
    'accept',
    'avatar-id',
    'base-url',
    'lang',
    'max-bytes',
    'may',
    'required',
    'shape',
    'ticket-url',
  ];

  /**
   * Gives a ticket when the user saves. Comes before `ticket-url`. Only declared: a page may have set it
   * before the script was there.
   */
  declare getTicket: TicketSource | undefined;

  readonly #internals = this.attachInternals();
  readonly #view = new View();
  readonly #framer = new Framer(this.#view, {
    texts: () => this.texts,
    isRound: () => this.getAttribute('shape') !== 'square',
    announce: (text) => {
      this.#announce(text);
    },
    framed: () => {
      this.#submit();
    },
  });
  readonly #service = new Service(this);
  readonly #hideEarlier = followEarlier(this.#view, this.#service, {
    language: () => languageOf(this),
    restore: (version) => {
      void this.#change('restored', (signal) => this.#service.restore(version, signal));
    },
    none: () => {
      this.#announce(this.texts.noEarlier);
    },
    fail: (error) => {
      this.#fail(error);
    },
  });
  readonly #paste = followFiles(this, this.#view, (file) => void this.choose(file));
  #state: State = 'empty';
  #spoken = ENGLISH;
  #ownTexts: Partial<Texts> = {};
  #chosen: File | undefined;
  #sending: AbortController | undefined;
  #confirmsRemoval = false;
  /** Whether the avatar is known to have no picture. */
  #isMissing = false;
  /** Counts the files that were chosen: the last one counts. */
  #choices = 0;

  constructor() {
    super();
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    const shadow = this.attachShadow({ mode: 'open', delegatesFocus: true });
    shadow.adoptedStyleSheets = [sheet];
    shadow.append(this.#view.root);
    this.#listen();
    if (Object.hasOwn(this, 'texts')) {
      const { texts } = this;
      delete (this as Partial<this>).texts;
      this.texts = texts;
    }
  }

  /** Own words in place of the element's, in any language. */
  set texts(texts: Partial<Texts>) {
    this.#ownTexts = texts;
    this.#say();
  }

  get texts(): Texts {
    return { ...this.#spoken, ...this.#ownTexts };
  }

  /** The file that the user has chosen and not uploaded. */
  get file(): File | undefined {
    return this.#chosen;
  }

  /** What goes with the file: `crop`, `rotate` and `alt`, as the service takes them. */
  get fields(): Record<string, string> {
    const alt = this.#view.alt.value.trim();
    return { ...this.#framer.fields, ...(alt !== '' && { alt }) };
  }

  /** Whether it uploads by itself. */
  get uploads(): boolean {
    return Boolean(this.getTicket) || this.hasAttribute('ticket-url');
  }

  connectedCallback(): void {
    this.ownerDocument.addEventListener('paste', this.#paste);
    this.#say();
    void this.#speak();
    // It may only have been moved, and show a newer one.
    if (!this.#view.current.src) this.#showCurrent();
    this.#show(this.#state);
  }

  disconnectedCallback(): void {
    this.ownerDocument.removeEventListener('paste', this.#paste);
    queueMicrotask(() => {
      // It may only have been moved within the page.
      if (!this.isConnected) this.#sending?.abort();
    });
  }

  attributeChangedCallback(name: string): void {
    if (!this.isConnected) return;
    if (name === 'avatar-id' || name === 'base-url') this.#showCurrent();
    if (name === 'lang') void this.#speak();
    this.#say();
    this.#framer.paintSoon();
    this.#show(this.#state);
  }

  formResetCallback(): void {
    this.discard();
  }

  formDisabledCallback(disabled: boolean): void {
    const { root, stage, versions } = this.#view;
    for (const control of root.querySelectorAll('button, input')) {
      control.toggleAttribute('disabled', disabled);
    }
    stage.inert = versions.inert = disabled;
  }

  /**
   * Opens a file as if the user had chosen it.
   * @returns once the user can choose a part of it, or has been told why that can't be done
   */
  async choose(file: File): Promise<void> {
    if (this.#sending) return;
    const choice = ++this.#choices;
    this.#view.error.textContent = '';
    this.#announce(this.texts.opening);
    try {
      this.#assertAccepted(file);
      const picture = await openPicture(file);
      if (choice !== this.#choices) {
        picture?.bitmap.close();
        return;
      }
      this.#chosen = file;
      this.#view.tools.hidden = picture === undefined;
      this.#show('framing');
      if (picture) this.#framer.open(picture);
      else this.#framer.close();
      this.dispatchEvent(new Event('change', { bubbles: true }));
      this.#announce(picture ? this.texts.opened : this.texts.unseen);
      (picture ? this.#view.stage : this.#view.alt).focus();
    } catch (error) {
      if (choice !== this.#choices) return;
      this.#announce('');
      this.#fail(error);
    }
  }

  /** Uploads what was chosen. @returns once that is done, has failed, or was cancelled */
  async save(): Promise<void> {
    const file = this.#chosen;
    if (!file || !this.uploads) return;
    const upload = { file, fields: this.fields };
    await this.#change('saved', (signal) =>
      this.#service.upload(upload, signal, (part) => {
        this.#view.progress.value = part;
      }),
    );
  }

  /** Forgets what was chosen. */
  discard(): void {
    this.#sending?.abort();
    this.#sending = undefined;
    this.#choices++;
    this.#chosen = undefined;
    this.#framer.close();
    for (const input of [this.#view.file, this.#view.camera, this.#view.alt]) input.value = '';
    this.#view.error.textContent = '';
    this.#hideEarlier();
    this.#announce('');
    this.#show('empty');
  }

  #forget(): void {
    this.discard();
    this.dispatchEvent(new Event('change', { bubbles: true }));
  }

  #listen(): void {
    const view = this.#view;
    const on = (button: HTMLElement, act: (event: MouseEvent) => void) => {
      button.addEventListener('click', act);
    };
    on(view.save, () => void this.save());
    on(view.cancel, () => this.#sending?.abort());
    on(view.discard, () => {
      this.#forget();
      view.choose.focus();
    });
    on(view.remove, ({ detail }) => {
      if (!this.#confirmsRemoval) this.#confirmRemoval(true);
      // The second half of a double click confirms nothing.
      else if (detail < 2) void this.#change('removed', (signal) => this.#service.remove(signal));
    });
    view.remove.addEventListener('blur', () => {
      this.#confirmRemoval(false);
    });
    view.alt.addEventListener('input', () => {
      this.#submit();
    });
    view.alt.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.isComposing) return;
      // It would press what has the focus then.
      event.preventDefault();
      if (this.uploads) void this.save();
      else this.#internals.form?.requestSubmit();
    });
    view.current.addEventListener('error', () => {
      this.#showNone();
    });
  }

  /** @throws VisageError `unsupported_image`, `upload_too_large` */
  #assertAccepted(file: File): void {
    const { type } = file;
    const types = this.#accepted;
    // Whether a file is one of `image/*` or `.png`, the service tells.
    if (type !== '' && !types.some((one) => one === type || /^\.|\*/.test(one))) {
      throw new VisageError('unsupported_image', `${type} is not among ${types.join()}.`);
    }
    assertSize(file, this.#maxBytes);
  }

  async #change(
    said: 'removed' | 'restored' | 'saved',
    task: (signal: AbortSignal) => Promise<Answer | undefined>,
  ) {
    if (this.#sending) return;
    const view = this.#view;
    const sending = (this.#sending = new AbortController());
    const { signal } = sending;
    // What is still being opened comes too late.
    this.#choices++;
    view.error.textContent = '';
    view.progress.removeAttribute('value');
    this.#show('uploading');
    this.#announce(this.texts.uploading);
    view.cancel.focus();
    let answer: Answer | undefined;
    try {
      answer = await task(signal);
    } catch (error) {
      if (this.#sending !== sending) return;
      this.#sending = undefined;
      if (error instanceof VisageError && HOPELESS.test(error.code)) this.#forget();
      this.#show(this.#chosen ? 'framing' : 'empty');
      this.#announce(signal.aborted ? this.texts.cancelled : '');
      (this.#chosen ? view.save : view.choose).focus();
      if (!signal.aborted) this.#fail(error);
      return;
    }
    if (this.#sending !== sending) return;
    this.discard();
    // What the avatar shows without a picture is a matter of the page.
    if (answer) this.#showPicture(urlFor(answer, SHOWN), answer.alt);
    else this.#showNone();
    this.#show('done');
    this.#announce(this.texts[said]);
    this.#dispatch('visage-change', answer ?? null);
    view.choose.focus();
  }

  /** A second click removes the picture. */
  #confirmRemoval(confirms: boolean): void {
    this.#confirmsRemoval = confirms;
    this.#view.remove.textContent = confirms ? this.texts.removeSure : this.texts.remove;
  }

  get #maxBytes(): number {
    return Number(this.getAttribute('max-bytes')) || Infinity;
  }

  /** Types and not `image/*`, so that iOS converts HEIC. */
  get #accepted(): string[] {
    return this.getAttribute('accept')?.match(/[^\s,]+/g) ?? COMMON;
  }

  #say(): void {
    const { texts } = this;
    const most = this.#maxBytes;
    this.#view.say(texts);
    this.#view.kinds.textContent =
      most === Infinity ? texts.kinds : fill(texts.kindsUpTo, megabytes(most, languageOf(this)));
  }

  async #speak(): Promise<void> {
    const language = languageOf(this);
    const texts = await textsIn(language);
    if (language !== languageOf(this) || texts === this.#spoken) return;
    this.#spoken = texts;
    this.#say();
  }

  #showCurrent(): void {
    const id = this.getAttribute('avatar-id');
    if (id === null) this.#view.current.hidden = true;
    else this.#showPicture(`${this.#service.base}v1/avatars/${encodeURIComponent(id)}?size=${SHOWN}`);
  }

  #showPicture(url: string, alt = this.texts.current): void {
    this.#isMissing = false;
    Object.assign(this.#view.current, { hidden: false, alt, src: url });
  }

  #showNone(): void {
    this.#isMissing = true;
    this.#view.current.hidden = true;
    this.#show(this.#state);
  }

  #show(state: State): void {
    const [view, internals] = [this.#view, this.#internals];
    this.#state = state;
    const isSending = state === 'uploading';
    view.empty.hidden = this.#chosen !== undefined;
    view.framing.hidden = !view.empty.hidden;
    // What is sent stays in sight.
    for (const box of [view.empty, view.framing]) box.inert = isSending;
    view.decision.hidden = isSending;
    view.sending.hidden = !isSending;
    view.save.hidden = !this.uploads;
    view.remove.hidden = this.#isMissing || !this.#may('remove');
    view.earlier.hidden = !this.#may('restore');
    view.file.accept = this.#accepted.join();
    internals.states.clear();
    internals.states.add(state);
    this.#submit();
  }

  /** Whether the page says that its tickets are for it. */
  #may(action: string): boolean {
    return (this.getAttribute('may') ?? '').split(/\s+/).includes(action);
  }

  #announce(text: string): void {
    this.#view.status.textContent = text;
  }

  /** Gives the form what it submits. */
  #submit(): void {
    const [chosen, internals, view] = [this.#chosen, this.#internals, this.#view];
    let form: FormData | null = null;
    if (chosen && !this.uploads) {
      form = new FormData();
      form.set('file', chosen);
      for (const [name, value] of Object.entries(this.fields)) form.set(name, value);
    }
    internals.setFormValue(form);
    const isMissing = this.hasAttribute('required') && !chosen && !this.uploads;
    if (isMissing) internals.setValidity({ valueMissing: true }, this.texts.required, view.choose);
    else internals.setValidity({});
  }

  #fail(cause: unknown): void {
    const error = cause instanceof VisageError ? cause : new VisageError('internal', String(cause));
    this.#view.error.textContent = sentenceFor(error, this.texts, languageOf(this));
    console.warn(`<visage-avatar-upload> ${error.code}: ${error.message}`);
    this.#dispatch('visage-error', error);
  }

  #dispatch(type: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
}
