import { Buffer } from 'node:buffer';
import type { VisageAvatarUpload } from '../../../web/src/avatar-upload.js';
import type { Locator, Page, Request } from 'playwright-core';

/** What a page does wrong: it breaks its policy, or throws. */
export interface Faults {
  list: string[];
}

/** Collects the violations of the Content-Security-Policy and the errors of a page, whatever it shows. */
export async function collectFaults(page: Page): Promise<Faults> {
  const faults: Faults = { list: [] };
  await page.exposeFunction('tellOfFault', (fault: string) => faults.list.push(fault));
  await page.addInitScript(`addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sourceFile, sample }) =>
    tellOfFault([violatedDirective, blockedURI, sourceFile, sample].join(' ')))`);
  page.on('pageerror', (error) => faults.list.push(String(error)));
  return faults;
}

/** An element on a page, as its user meets it. */
export class Editor {
  readonly element: Locator;
  readonly stage: Locator;

  constructor(private readonly page: Page) {
    this.element = page.locator('visage-avatar-upload');
    this.stage = this.element.locator('canvas.stage');
  }

  /** Chooses a file, and waits until a part of it can be chosen. */
  async choose(bytes: Buffer, mimeType = 'image/png'): Promise<void> {
    await this.give(bytes, mimeType);
    await this.stage.waitFor();
    await this.painted();
  }

  /** Chooses a file, whatever comes of it. */
  give(buffer: Buffer, mimeType: string): Promise<void> {
    return this.element
      .locator('input[type=file]')
      .first()
      .setInputFiles({ name: 'a-picture', mimeType, buffer });
  }

  press(name: string): Promise<void> {
    return this.button(name).click();
  }

  button(name: string): Locator {
    return this.element.getByRole('button', { name, exact: true });
  }

  /** What it says, to everybody and to those who can't see it. */
  status(text: string): Promise<void> {
    return this.element.getByRole('status').filter({ hasText: text }).waitFor();
  }

  async error(): Promise<string> {
    const alert = this.element.getByRole('alert').filter({ hasText: /./ });
    await alert.waitFor();
    return alert.innerText();
  }

  /** Saves, and waits until that is done. @returns what was asked of the service */
  async save(): Promise<URLSearchParams> {
    const sent = this.page.waitForRequest((request: Request) => request.method() === 'PUT');
    await this.press('Save');
    const { searchParams } = new URL((await sent).url());
    await this.status('Your picture is saved.');
    return searchParams;
  }

  /** The fields that would be sent now. */
  fields(): Promise<Record<string, string>> {
    return this.element.evaluate((element: VisageAvatarUpload) => element.fields);
  }

  /** The part that would be kept now: x, y, width and height. */
  async crop(): Promise<number[]> {
    return ((await this.fields())['crop'] ?? '').split(',').map(Number);
  }

  /** Drags the picture, as a mouse does. Px of the screen. */
  async drag(right: number, down: number): Promise<void> {
    const { x, y } = await this.middle();
    const { mouse } = this.page;
    await mouse.move(x, y);
    await mouse.down();
    await mouse.move(x + right / 2, y + down / 2);
    await mouse.move(x + right, y + down);
    await mouse.up();
  }

  /** Where the middle of the stage is on the screen. */
  async middle(): Promise<{ x: number; y: number }> {
    const box = await this.stage.boundingBox();
    if (!box) throw new Error('the stage is not on the screen');
    return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  }

  /** Waits until everything that has changed is on the screen. */
  async painted(): Promise<void> {
    await this.page.evaluate(
      'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))',
    );
  }

  /** The largest preview, as a PNG of 128 px. */
  async preview(): Promise<Buffer> {
    await this.painted();
    const url = await this.element
      .locator('canvas.preview')
      .first()
      .evaluate((canvas: HTMLCanvasElement) => canvas.toDataURL());
    return Buffer.from(url.slice(url.indexOf(',') + 1), 'base64');
  }
}
