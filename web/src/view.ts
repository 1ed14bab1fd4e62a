import type { Texts } from './texts.js';

type Tag = keyof HTMLElementTagNameMap;

/** A text of an element: what it says, or an attribute. */
type Said = [element: Element, attribute: string | undefined, key: keyof Texts];

interface Options {
  part?: string;
  className?: string;
  text?: keyof Texts;
  label?: keyof Texts;
  attributes?: Record<string, string>;
}

/** The edges of the previews in px. */
const PREVIEWS = [128, 64, 32] as const;

/** The elements below the shadow root. They know nothing of pictures; `say` gives them their words. */
export class View {
  readonly #said: Said[] = [];

  readonly file = this.#make('input', { attributes: { type: 'file', hidden: '' } });
  readonly camera = this.#make('input', {
    attributes: { type: 'file', hidden: '', accept: 'image/*', capture: 'user' },
  });
  readonly current = this.#make('img', { part: 'current', attributes: { hidden: '' } });
  readonly choose = this.#button('choose', { part: 'button choose' });
  readonly photograph = this.#button('photograph', { part: 'button photograph' });
  readonly remove = this.#button('remove', { part: 'button remove' });
  readonly earlier = this.#button('earlier', { part: 'button earlier' });
  readonly versions = this.#row([]);
  readonly stage = this.#make('canvas', {
    part: 'stage',
    label: 'stage',
    attributes: { tabindex: '0', role: 'application' },
  });
  readonly zoomOut = this.#symbol('−', 'zoomOut');
  readonly zoom = this.#make('input', {
    part: 'zoom',
    label: 'zoom',
    attributes: { type: 'range', min: '0', max: '1', step: '0.01' },
  });
  readonly zoomIn = this.#symbol('+', 'zoomIn');
  readonly left = this.#symbol('←', 'left');
  readonly up = this.#symbol('↑', 'up');
  readonly down = this.#symbol('↓', 'down');
  readonly right = this.#symbol('→', 'right');
  readonly rotate = this.#symbol('↻', 'rotate');
  readonly reset = this.#button('reset', { part: 'button reset' });
  readonly previews = PREVIEWS.map((edge) => {
    const preview = this.#make('canvas', { part: 'preview', attributes: { 'aria-hidden': 'true' } });
    preview.style.inlineSize = preview.style.blockSize = `${edge}px`;
    return preview;
  });
  readonly alt = this.#make('input', {
    part: 'alt',
    attributes: { type: 'text', maxlength: '250', autocomplete: 'off' },
  });
  readonly save = this.#button('save', { part: 'button save', className: 'primary' });
  readonly another = this.#button('chooseAnother', { part: 'button another' });
  readonly discard = this.#button('cancel', { part: 'button discard' });
  readonly progress = this.#make('progress', {
    part: 'progress',
    label: 'progress',
    attributes: { max: '1' },
  });
  readonly cancel = this.#button('cancel', { part: 'button cancel' });
  readonly status = this.#make('p', { part: 'status', attributes: { role: 'status' } });
  readonly error = this.#make('p', { part: 'error', attributes: { role: 'alert' } });

  /** What is there as long as the browser can show the picture. */
  readonly tools = this.#box('tools', [
    this.stage,
    this.#row([this.zoomOut, this.zoom, this.zoomIn]),
    this.#row([this.left, this.up, this.down, this.right, this.rotate, this.reset], 'nudges'),
    this.#make('p', { className: 'caption', text: 'previews' }),
    this.#row(this.previews),
  ]);
  readonly empty = this.#box('empty', [
    this.current,
    this.#row([this.choose, this.photograph, this.remove, this.earlier]),
    this.versions,
    this.#make('p', { className: 'hint', text: 'hint' }),
  ]);
  readonly framing = this.#box('framing', [
    this.tools,
    this.#labelled(this.alt, 'alt'),
    this.#row([this.save, this.another, this.discard]),
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

  /** Gives everything its words. */
  say(texts: Texts): void {
    for (const [element, attribute, key] of this.#said) {
      if (attribute === undefined) element.textContent = texts[key];
      else element.setAttribute(attribute, texts[key]);
    }
  }

  /** A picture of the history, to choose. */
  version(url: string, label: string, color: string): HTMLButtonElement {
    const attributes = { type: 'button', title: label };
    const button = this.#make('button', { part: 'button version', attributes });
    const image = this.#make('img', { attributes: { src: url, alt: label } });
    image.style.background = color;
    button.append(image);
    return button;
  }

  #make<T extends Tag>(tag: T, options: Options): HTMLElementTagNameMap[T] {
    const element = document.createElement(tag);
    const { part, className = part?.split(' ').at(-1), text, label, attributes = {} } = options;
    if (part !== undefined) element.setAttribute('part', part);
    if (className !== undefined) element.className = className;
    if (text !== undefined) this.#said.push([element, undefined, text]);
    if (label !== undefined) this.#said.push([element, 'aria-label', label]);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  }

  #button(text: keyof Texts, options: Options): HTMLButtonElement {
    return this.#make('button', { ...options, text, attributes: { type: 'button' } });
  }

  #symbol(symbol: string, label: keyof Texts): HTMLButtonElement {
    const attributes = { type: 'button' };
    const button = this.#make('button', { part: `button ${label}`, label, attributes });
    button.textContent = symbol;
    this.#said.push([button, 'title', label]);
    return button;
  }

  #labelled(input: HTMLElement, text: keyof Texts): HTMLElement {
    const label = this.#make('label', { part: 'label' });
    label.append(this.#make('span', { text }), input);
    return label;
  }

  #row(children: readonly Element[], more = ''): HTMLElement {
    return this.#box(`row ${more}`.trim(), children);
  }

  #box(className: string, children: readonly Element[]): HTMLElement {
    const box = this.#make('div', { className });
    box.append(...children);
    return box;
  }
}
