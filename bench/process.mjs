import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** A server as a process of its own, and what the kernel says of it. */
export class ServerProcess {
  /** @param {string[]} command arguments of node @param {Record<string, string>} environment */
  static async start(command, environment) {
    const child = spawn(process.execPath, command, {
      env: { PATH: process.env.PATH, NODE_NO_WARNINGS: '1', PORT: '0', ...environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const url = await new Promise((resolve, reject) => {
      let output = '';
      child.stdout.on('data', (chunk) => {
        output += chunk;
        const found = /listening at (http:\/\/[^"\s]+)/.exec(output)?.[1];
        if (found) resolve(found);
      });
      child.once('exit', (code) => reject(new Error(`${command} ended with ${code}:\n${output}`)));
    });
    return new ServerProcess(child, url);
  }

  constructor(child, url) {
    this.child = child;
    this.url = url;
  }

  /** User and system time so far, in ms. */
  cpuMs() {
    const fields = readFileSync(`/proc/${this.child.pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }

  /** Resident memory in MiB. */
  residentMiB() {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.child.pid}/status`, 'utf8'))[1]) / 1024;
  }

  stop() {
    this.child.kill('SIGKILL');
  }
}
