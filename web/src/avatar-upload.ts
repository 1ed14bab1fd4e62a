import { Framer, type Owner } from './framer.js';
import { openPicture } from './picture.js';
import { VisageError } from './problem.js';
import { type Answer, sendPicture } from './send.js';
import css from './styles.css';
import { type Texts, sentenceFor, textsIn } from './texts.js';
import { type Ticket, type TicketSource, fetchTicket, readTicket } from './tickets.js';
import { View } from './view.js';

/** What a service accepts unless it is told otherwise. With types and not `image/*`, iOS converts HEIC. */
const ACCEPTED = 'image/jpeg,image/png,image/webp,image/gif';

/** The edge in px of the current picture on the screen, doubled for sharp screens. */
const SHOWN = 256;

/** After these refusals, another ticket may do. */
const WORN_OUT = new Set(['ticket_expired', 'ticket_outdated', 'ticket_used']);

/** Where the script comes from, if that is the service: it is imported from a bundle otherwise. */
const [, HOME] = /^(.*\/)ui\/visage\.js(?:[?#].*)?$/.exec(import.meta.url) ?? [];

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
 * when another picture, or another part of it, is chosen. All bubble.
 */
export class VisageAvatarUpload extends Base {
  static readonly formAssociated = true;
  static readonly observedAttributes = ['accept', 'avatar-id', 'base-url', 'lang', 'required', 'shape'];

  /** Gives a ticket when the user saves. Comes before `ticket-url`. */
  getTicket: TicketSource | undefined;

  readonly #internals = this.attachInternals();
  readonly #view = new View();
  readonly #framer = new Framer(this.#view, this.#owner());
  #ownTexts: Partial<Texts> = {};
  #known = textsIn('en', {});
  #chosen: File | undefined;
  #sending: AbortController | undefined;
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
    this.#show('empty');
  }

  /** Own words in place of the element's, in any language. */
  set texts(texts: Partial<Texts>) {
    this.#ownTexts = texts;
    this.#speak();
  }

  get texts(): Texts {
    return this.#known;
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
    return this.getTicket !== undefined || this.hasAttribute('ticket-url');
  }

  connectedCallback(): void {
    this.ownerDocument.addEventListener('paste', this.#paste);
    this.#speak();
    this.#showCurrent();
    this.#submit();
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
    if (name === 'lang') this.#speak();
    else if (name === 'shape') this.#framer.paintSoon();
    else if (name === 'required') this.#submit();
    else if (name === 'accept') this.#view.file.accept = this.#accepted;
    else this.#showCurrent();
  }

  formResetCallback(): void {
    this.discard();
  }

  formDisabledCallback(disabled: boolean): void {
    for (const control of this.#view.root.querySelectorAll('button, input')) {
      control.toggleAttribute('disabled', disabled);
    }
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
      const picture = await openPicture(file).catch(() => {
        throw new VisageError('unreadable_image', 'The file cannot be read.');
      });
      if (choice !== this.#choices) {
        picture?.bitmap.close();
        return;
      }
      this.#chosen = file;
      this.#view.tools.hidden = picture === undefined;
      this.#show('framing');
      if (picture) this.#framer.open(picture);
      else this.#framer.close();
      this.#submit();
      this.#announce(picture ? this.texts.opened : this.texts.unseen);
      (picture ? this.#view.stage : this.#view.alt).focus();
    } catch (error) {
      this.#announce('');
      this.#fail(error);
    }
  }

  /** Uploads what was chosen. @returns once that is done, has failed, or was cancelled */
  async save(): Promise<void> {
    if (!this.#chosen || this.#sending) return;
    const { signal } = (this.#sending = new AbortController());
    this.#view.error.textContent = '';
    this.#progressed(0);
    this.#show('uploading');
    this.#announce(this.texts.uploading);
    this.#view.cancel.focus();
    try {
      const answer = await this.#upload(this.#chosen, signal);
      this.#sending = undefined;
      this.discard();
      this.#show('done');
      this.#showPicture(urlFor(answer), answer.alt);
      this.#announce(this.texts.saved);
      this.#dispatch('visage-change', answer);
      this.#view.choose.focus();
    } catch (error) {
      this.#sending = undefined;
      this.#show('framing');
      this.#announce(signal.aborted ? this.texts.cancelled : '');
      this.#view.save.focus();
      if (!signal.aborted) this.#fail(error);
    }
  }

  /** Forgets what was chosen. */
  discard(): void {
    this.#sending?.abort();
    this.#choices++;
    this.#chosen = undefined;
    this.#framer.close();
    for (const input of [this.#view.file, this.#view.camera, this.#view.alt]) input.value = '';
    this.#view.error.textContent = '';
    this.#announce('');
    this.#show('empty');
    this.#submit();
  }

  #owner(): Owner {
    const texts = () => this.#known;
    const isRound = () => this.getAttribute('shape') !== 'square';
    return {
      get texts() {
        return texts();
      },
      get isRound() {
        return isRound();
      },
      announce: (text) => {
        this.#announce(text);
      },
      framed: () => {
        this.#submit();
      },
    };
  }

  #listen(): void {
    const view = this.#view;
    const on = (button: HTMLElement, act: () => void) => {
      button.addEventListener('click', act);
    };
    on(view.choose, () => {
      view.file.click();
    });
    on(view.another, () => {
      view.file.click();
    });
    on(view.photograph, () => {
      view.camera.click();
    });
    on(view.save, () => void this.save());
    on(view.cancel, () => this.#sending?.abort());
    on(view.discard, () => {
      this.discard();
      view.choose.focus();
    });
    for (const input of [view.file, view.camera]) {
      input.addEventListener('change', () => {
        this.#take(input.files);
        // The same file may be chosen again.
        input.value = '';
      });
    }
    view.alt.addEventListener('input', () => {
      this.#submit();
    });
    view.current.addEventListener('error', () => {
      view.current.hidden = true;
    });
    this.#listenForDrops();
  }

  #listenForDrops(): void {
    const over = (isOver: boolean) => {
      this.#view.root.classList.toggle('over', isOver);
    };
    this.addEventListener('dragover', (event) => {
      if (!event.dataTransfer?.types.includes('Files')) return;
      // The browser would leave the page for the file.
      event.preventDefault();
      over(true);
    });
    this.addEventListener('dragleave', () => {
      over(false);
    });
    this.addEventListener('drop', (event) => {
      over(false);
      if (!event.dataTransfer?.types.includes('Files')) return;
      event.preventDefault();
      this.#take(event.dataTransfer.files);
    });
  }

  readonly #paste = (event: ClipboardEvent): void => {
    const target = event.composedPath()[0];
    const isText = target instanceof Element && target.matches('input, textarea, [contenteditable]');
    const files = event.clipboardData?.files;
    if (isText || files === undefined || files.length === 0) return;
    event.preventDefault();
    this.#take(files);
  };

  #take(files: FileList | null): void {
    const file = files?.[0];
    if (file && !this.matches(':disabled')) void this.choose(file);
  }

  /** @throws VisageError `unsupported_image`, `upload_too_large` */
  #assertAccepted({ type, size }: File): void {
    const types = this.#accepted.split(',').map((one) => one.trim());
    if (type !== '' && !types.includes(type)) {
      throw new VisageError('unsupported_image', `${type} is not among ${types.join(', ')}.`);
    }
    assertSize(size, Number(this.getAttribute('max-bytes') ?? Infinity));
  }

  async #upload(file: File, signal: AbortSignal): Promise<Answer> {
    const upload = { file, fields: this.fields };
    const attempt = async () => {
      const ticket = await this.#ticket(signal);
      assertSize(file.size, ticket.maxBytes);
      signal.throwIfAborted();
      return sendPicture(this.#base, ticket, upload, signal, (part) => {
        this.#progressed(part);
      });
    };
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof VisageError && WORN_OUT.has(error.code))) throw error;
      return attempt();
    }
  }

  /** @throws VisageError `no_ticket`, `no_connection` */
  async #ticket(signal: AbortSignal): Promise<Ticket> {
    const { getTicket } = this;
    if (!getTicket) return readTicket(await fetchTicket(this.getAttribute('ticket-url') ?? '', signal));
    const given = await Promise.resolve()
      .then(() => getTicket())
      .catch((cause: unknown) => {
        if (cause instanceof VisageError) throw cause;
        throw new VisageError('no_ticket', `getTicket fails: ${String(cause)}`);
      });
    return readTicket(given);
  }

  get #accepted(): string {
    return this.getAttribute('accept') ?? ACCEPTED;
  }

  /** @throws VisageError `internal` if nobody says where the service is */
  get #base(): string {
    const base = this.getAttribute('base-url') ?? HOME;
    if (base === undefined) throw new VisageError('internal', 'Set base-url to the address of Visage.');
    return new URL(base.endsWith('/') ? base : `${base}/`, this.ownerDocument.baseURI).href;
  }

  #speak(): void {
    const language = this.closest('[lang]')?.getAttribute('lang') ?? navigator.language;
    this.#known = textsIn(language, this.#ownTexts);
    this.#view.say(this.#known);
    this.#view.file.accept = this.#accepted;
    this.#submit();
  }

  #showCurrent(): void {
    const id = this.getAttribute('avatar-id');
    if (id !== null) this.#showPicture(`${this.#base}v1/avatars/${encodeURIComponent(id)}?size=${SHOWN}`);
  }

  #showPicture(url: string, alt = this.texts.current): void {
    Object.assign(this.#view.current, { hidden: false, alt, src: url });
  }

  #show(state: State): void {
    const [view, internals] = [this.#view, this.#internals];
    view.empty.hidden = state === 'framing' || state === 'uploading';
    view.framing.hidden = state !== 'framing';
    view.sending.hidden = state !== 'uploading';
    view.save.hidden = !this.uploads;
    internals.states.clear();
    internals.states.add(state);
  }

  #announce(text: string): void {
    this.#view.status.textContent = text;
  }

  #progressed(part: number): void {
    this.#view.progress.value = part;
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
    this.#view.error.textContent = sentenceFor(error, this.texts);
    this.#dispatch('visage-error', error);
  }

  #dispatch(type: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
}

function assertSize(bytes: number, maxBytes: number): void {
  if (bytes <= maxBytes) return;
  const detail = `The file has ${bytes} bytes. At most ${maxBytes} are accepted.`;
  throw new VisageError('upload_too_large', detail, { maxBytes });
}

/** The URL of the smallest picture that is large enough, or else of the largest. */
function urlFor({ urls }: Answer): string {
  const edges = Object.keys(urls)
    .map(Number)
    .sort((a, b) => a - b);
  return urls[edges.find((edge) => edge >= SHOWN) ?? edges.at(-1) ?? ''] ?? '';
}
