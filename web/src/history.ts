import { thumbHashToRGBA } from 'thumbhash';
import type { Answer } from './calls.js';
import type { History } from './service.js';

/** The edge of a picture of the history in px, doubled for sharp screens. */
const EDGE = 128;

/**
 * A button for each picture of the history. A file of its own, which is loaded when a user asks for it.
 * @param language of times: a language tag (BCP 47)
 * @param urlFor gives the URL of a picture by its edge in px
 * @param restore is called with the version that the user has chosen
 */
export function buttonsOf(
  { current, versions }: History,
  language: string,
  urlFor: (answer: Answer, edge: number) => string,
  restore: (version: string) => void,
): HTMLButtonElement[] {
  return versions.map((answer) => {
    const { version, uploadedAt, alt = '', color, thumbhash } = answer;
    // Without a current picture, those of the history can't be loaded.
    const picture = current === null ? sketch(thumbhash) : image(urlFor(answer, EDGE));
    picture.style.background = color;
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'version';
    button.part.add('button', 'version');
    button.title = button.ariaLabel = `${new Date(uploadedAt).toLocaleString(language)} ${alt}`.trim();
    button.append(picture);
    if (version === current) button.ariaCurrent = button.ariaDisabled = 'true';
    else {
      button.addEventListener('click', () => {
        restore(version);
      });
    }
    return button;
  });
}

function image(url: string): HTMLImageElement {
  return Object.assign(document.createElement('img'), { src: url, alt: '' });
}

/** What a picture roughly looks like. @param thumbhash Base64, https://evanw.github.io/thumbhash/ */
function sketch(thumbhash: string): HTMLCanvasElement {
  const { w, h, rgba } = thumbHashToRGBA(Uint8Array.from(atob(thumbhash), (one) => one.charCodeAt(0)));
  const canvas = Object.assign(document.createElement('canvas'), { width: w, height: h });
  canvas.getContext('2d')?.putImageData(new ImageData(new Uint8ClampedArray(rgba), w, h), 0, 0);
  return canvas;
}
