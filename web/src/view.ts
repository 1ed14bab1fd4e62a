import type { Texts } from './texts.js';

type Tag = keyof HTMLElementTagNameMap;
type Key = keyof Texts;

/** The properties of an element that say something. */
type Saying = 'ariaLabel' | 'textContent' | 'title';

const BUTTON = { type: 'button' } as const;
const FILE = { type: 'file', hidden: true } as const;

/** The edges of the previews in px. */
const PREVIEWS = [128, 64, 32] as const;

/** The elements below the shadow root. They know nothing of pictures; `say` gives them their words. */
export class View {
  readonly #said: [element: HTMLElement, property: Saying, key: Key][] = [];

  readonly file = this.#make('input', '', FILE);
  readonly camera = this.#make('input', '', { ...FILE, accept: 'image/*' });
  readonly current = this.#make('img', 'current', { hidden: true });
  readonly choose = this.#button('choose');
  readonly photograph = this.#button('photograph');
  readonly remove = this.#button('remove');
  readonly earlier = this.#button('earlier');
  readonly versions = this.#box('row', []);
  readonly kinds = this.#make('p', 'kinds');
  readonly stage = this.#make(
    'canvas',
    'stage',
    { tabIndex: 0, role: 'application' },
    { ariaLabel: 'stage' },
  );
  readonly zoomOut = this.#button('zoomOut', '−');
  readonly zoom = this.#make(
    'input',
    'zoom',
    { type: 'range', min: '0', max: '1', step: '0.01' },
    { ariaLabel: 'zoom' },
  );
  readonly zoomIn = this.#button('zoomIn', '+');
  readonly left = this.#button('left', '←');
  readonly up = this.#button('up', '↑');
  readonly down = this.#button('down', '↓');
  readonly right = this.#button('right', '→');
  readonly rotate = this.#button('rotate', '↻');
  readonly reset = this.#button('reset');
  readonly previews = PREVIEWS.map((edge) => {
    const preview = this.#make('canvas', 'preview', { ariaHidden: 'true' });
    preview.style.inlineSize = preview.style.blockSize = `${edge}px`;
    return preview;
  });
  readonly alt = this.#make('input', 'alt', { maxLength: 250, autocomplete: 'off' });
  readonly save = this.#button('save');
  readonly another = this.#button('another');
  readonly discard = this.#button('discard');
  readonly progress = this.#make('progress', 'progress', {}, { ariaLabel: 'progress' });
  readonly cancel = this.#button('cancel');
  readonly status = this.#make('p', 'status', { role: 'status' });
  readonly error = this.#make('p', 'error', { role: 'alert' });

  /** What is there as long as the browser can show the picture. */
  readonly tools = this.#box('tools', [
    this.stage,
    this.#box('row', [this.zoomOut, this.zoom, this.zoomIn]),
    this.#box('row nudges', [this.left, this.up, this.down, this.right, this.rotate, this.reset]),
    this.#make('p', 'caption', {}, { textContent: 'previews' }),
    this.#box('row', this.previews),
  ]);
  readonly empty = this.#box('empty', [
    this.#box('portrait', [this.current]),
    this.#box('row', [this.choose, this.photograph, this.remove, this.earlier]),
    this.versions,
    this.#make('p', 'hint', {}, { textContent: 'hint' }),
    this.kinds,
  ]);
  /** What is to be done with the picture. */
  readonly decision = this.#box('row', [this.save, this.another, this.discard]);
  readonly framing = this.#box('framing', [
    this.tools,
    this.#make('label', 'label', {}, {}, [this.#make('span', '', {}, { textContent: 'alt' }), this.alt]),
    this.decision,
  ]);
  readonly sending = this.#box('sending', [this.progress, this.cancel]);
  readonly root = this.#box('root', [
    this.file,
    this.camera,
    this.error,
    this.empty,
    this.framing,
    this.sending,
    this.status,
  ]);

  constructor() {
    // Few browsers have a property for it.
    this.camera.setAttribute('capture', 'user');
  }

  /** Gives everything its words. */
  say(texts: Texts): void {
    for (const [element, property, key] of this.#said) element[property] = texts[key];
  }

  /** @param name its parts, and its classes */
  #make<T extends Tag>(
    tag: T,
    name: string,
    properties: Partial<HTMLElementTagNameMap[T]> = {},
    says: Partial<Record<Saying, Key>> = {},
    children: readonly Element[] = [],
  ): HTMLElementTagNameMap[T] {
    const element = Object.assign(document.createElement(tag), { className: name, part: name }, properties);
    for (const [property, key] of Object.entries(says)) this.#said.push([element, property as Saying, key]);
    element.append(...children);
    return element;
  }

  /** @param symbol what it shows in place of its name */
  #button(name: Key, symbol?: string): HTMLButtonElement {
    if (symbol === undefined) return this.#make('button', `button ${name}`, BUTTON, { textContent: name });
    const properties = { ...BUTTON, textContent: symbol };
    return this.#make('button', `button ${name}`, properties, { ariaLabel: name, title: name });
  }

  #box(name: string, children: readonly Element[]): HTMLElement {
    return this.#make('div', name, {}, {}, children);
  }
}
