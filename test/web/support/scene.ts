import type { Browser } from 'playwright-core';
import { openChromium } from '../../e2e/support/chromium.js';
import { item } from '../../support/api-keys.js';
import { local } from '../../support/local.js';
import { type RunningService, startService } from '../../support/service.js';
import { SIGNING_KEY } from '../../support/tickets.js';
import { Application } from './application.js';

/** A service, an application that uses it, and a browser. */
export class Scene {
  private constructor(
    readonly service: RunningService,
    readonly application: Application,
    readonly browser: Browser,
  ) {}

  static async open(): Promise<Scene> {
    const service = await startService({
      ...(await local.environment()),
      API_KEYS: item('app', 'read+write'),
      SIGNING_KEYS: SIGNING_KEY,
    });
    return new Scene(service, await new Application(service).start(), await openChromium());
  }

  async close(): Promise<void> {
    await this.browser.close();
    this.application.stop();
    await this.service.stop();
  }
}
