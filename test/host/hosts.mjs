// The processes in which the tests of one Jest worker run services and commands. They outlive a test file.
import { fork } from 'node:child_process';
import { resolve } from 'node:path';
import { END } from './end.mjs';

/** How many wait for the next test. More are only for tests of many replicas. */
const KEPT = 6;

/** `npm test` builds it. */
const SCRIPT = resolve('dist/test/host.js');

/** A process that runs one service or command at a time. */
class Host {
  output = '';
  errors = '';
  /** Whether it takes another request: the last one has left nothing at work. */
  goesOn = true;
  /** Told of each chunk of output. */
  heard = () => undefined;

  constructor() {
    // What the parent has to tell comes by the channel, also the environment.
    const options = { env: { PATH: process.env.PATH }, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] };
    this.process = fork(SCRIPT, [], { ...options, execArgv: ['--no-warnings'] });
    this.closed = new Promise((done) => this.process.once('close', done));
    for (const [name, stream] of [
      ['output', this.process.stdout],
      ['errors', this.process.stderr],
    ]) {
      stream.setEncoding('utf8');
      stream.on('data', (chunk) => {
        this[name] += chunk;
        this.heard(chunk);
      });
    }
  }

  get hasEnded() {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  /** Forgets what the last one wrote, and begins with the next. */
  begin(request) {
    this.output = '';
    this.errors = '';
    this.ask(request);
  }

  ask(request) {
    this.process.send(request);
  }

  /** Resolves when a request is done, or the process has ended. @returns the exit code; null after a signal */
  done() {
    return new Promise((resolve) => {
      const look = () => {
        const [, code, goesOn] = END_LINE.exec(this.output) ?? [];
        if (code === undefined || !this.errors.endsWith(`${END}\n`)) return;
        this.goesOn = goesOn === 'true';
        this.output = this.output.replace(END_LINE, '');
        this.errors = this.errors.slice(0, -END.length - 1);
        resolve(Number(code));
      };
      this.heard = look;
      void this.closed.then(() => resolve(this.process.exitCode));
      look();
    });
  }

  /** Whether this process goes on for its sake. */
  hold(isHeld) {
    const call = isHeld ? 'ref' : 'unref';
    for (const handle of [this.process, this.process.channel, this.process.stdout, this.process.stderr])
      handle?.[call]();
  }
}

const END_LINE = new RegExp(`${END} (\\d+) (true|false)\\n$`);

export class Hosts {
  #idle = [];
  #taken = new Set();

  take() {
    const host = this.#idle.pop() ?? new Host();
    host.hold(true);
    this.#taken.add(host);
    return host;
  }

  /** Takes back a host that has nothing to do. */
  give(host) {
    this.#taken.delete(host);
    host.heard = () => undefined;
    host.hold(false);
    if (host.hasEnded) return;
    if (host.goesOn && this.#idle.length < KEPT) this.#idle.push(host);
    else host.process.kill('SIGKILL');
  }

  /** Ends those that a failed test has left at work. */
  async reclaim() {
    const left = [...this.#taken];
    this.#taken.clear();
    for (const { process } of left) process.kill('SIGKILL');
    await Promise.all(left.map(({ closed }) => closed));
  }
}
