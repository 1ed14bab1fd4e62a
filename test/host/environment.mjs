import { TestEnvironment } from 'jest-environment-node';
import { Hosts } from './hosts.mjs';

const hosts = new Hosts();

/** Gives the tests of a worker, file after file, the same processes to run services in. */
export default class HostEnvironment extends TestEnvironment {
  async setup() {
    await super.setup();
    this.global.hosts = hosts;
  }

  async teardown() {
    await hosts.reclaim();
    await super.teardown();
  }
}
