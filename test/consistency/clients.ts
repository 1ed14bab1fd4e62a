import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { uniquePng } from '../http/support/pictures.js';
import type { Cluster, ClusterAnswer, ClusterRequest } from '../support/cluster.js';
import { randoms } from '../support/randoms.mjs';
import type { Operation } from './checker.js';

/** The share of each kind of write, from 0 to 1. */
export interface Mix {
  restores: number;
  deletes: number;
}

/** Writers and readers of one avatar, and what they saw. */
export class Clients {
  readonly history: Operation[] = [];
  /** The answers that no client should get. */
  readonly surprises: string[] = [];
  private readonly path: string;
  /** Uploads. */
  private accepted = 0;
  private stopped = false;
  private connections = 0;
  private pictures = 0;

  constructor(
    private readonly cluster: Cluster,
    id: string,
    /** The seed of the writers' choices. */
    private readonly seed: number,
  ) {
    this.path = `/v1/avatars/${id}`;
  }

  /** Stops all writers and readers when they have their answers. */
  stop(): Promise<void> {
    this.stopped = true;
    return Promise.resolve();
  }

  /**
   * Resolves when so many uploads were accepted.
   * @throws Error when it is told to stop before
   */
  async haveUploaded(count: number): Promise<void> {
    while (this.accepted < count) {
      if (this.stopped) throw new Error(`stopped after ${this.accepted} uploads`);
      await sleep(10);
    }
  }

  /** Writes one change after another until it is told to stop, or all writers together have had this many uploads accepted. */
  async write(writer: number, mix: Mix, uploads: number): Promise<void> {
    const random = randoms(this.seed + writer);
    const own: string[] = [];
    for (let turn = writer; !this.stopped && this.accepted < uploads; turn++) {
      const dice = random();
      const [version] = own;
      if (dice < mix.deletes) await this.twice(turn, { kind: 'delete', version: null });
      else if (dice < mix.deletes + mix.restores && version !== undefined) {
        await this.twice(turn, { kind: 'restore', version });
      } else own.push(...(await this.upload(turn)));
    }
  }

  /** Uploads a new picture. @returns its version, if it is known */
  async upload(turn: number): Promise<string[]> {
    return this.twice(turn, { kind: 'upload' }, await uniquePng(`${this.path} ${++this.pictures}`));
  }

  /** Reads from one replica, on one connection for as long as it lasts. */
  async read(reader: number, uploads: number): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    let connection = ++this.connections;
    while (!this.stopped && this.accepted < uploads) {
      const startedAt = performance.now();
      try {
        const request = { path: `${this.path}/info`, agent };
        const { status, body } = await this.cluster.ask(reader % this.cluster.size, request);
        const version = status === 404 ? null : body?.['version'];
        if (status === 200 || status === 404) {
          this.note(
            { kind: 'read', outcome: 'done', version: version as string | null, connection },
            startedAt,
          );
        } else if (status !== 503) this.surprises.push(`read: ${status}`);
      } catch {
        connection = ++this.connections;
      }
      await sleep(20);
    }
    agent.destroy();
  }

  /** Writes, and if the connection breaks writes again through another replica. @returns the version, if it is known */
  private async twice(
    turn: number,
    write: Pick<Operation, 'kind' | 'version'>,
    picture?: Buffer,
  ): Promise<string[]> {
    for (const replica of [turn, turn + 1]) {
      const startedAt = performance.now();
      try {
        const answer = await this.cluster.ask(replica % this.cluster.size, this.requestOf(write, picture));
        return this.take(write, answer, startedAt);
      } catch {
        this.note({ ...write, outcome: 'unknown' }, startedAt);
      }
    }
    // Both replicas are down: no use to ask at once.
    await sleep(200);
    return [];
  }

  private requestOf(
    { kind, version }: Pick<Operation, 'kind' | 'version'>,
    picture?: Buffer,
  ): ClusterRequest {
    if (kind === 'delete') return { method: 'DELETE', path: this.path };
    if (kind === 'upload') return { method: 'PUT', path: this.path, ...(picture && { body: picture }) };
    return {
      method: 'PUT',
      path: `${this.path}/current`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ version }),
    };
  }

  private take(
    write: Pick<Operation, 'kind' | 'version'>,
    { status, body }: ClusterAnswer,
    startedAt: number,
  ): string[] {
    const { kind } = write;
    if (status >= 200 && status < 300) {
      const version = kind === 'upload' ? String(body?.['version']) : write.version;
      this.note({ kind, outcome: 'done', version }, startedAt);
      return kind === 'upload' ? [String(version)] : [];
    }
    if (kind === 'restore' && status === 404) this.note({ ...write, outcome: 'missing' }, startedAt);
    else if (status === 503)
      this.note({ ...write, outcome: body?.['code'] === 'busy' ? 'refused' : 'unknown' }, startedAt);
    else this.surprises.push(`${kind}: ${status} ${JSON.stringify(body)}`);
    return [];
  }

  private note(operation: Omit<Operation, 'startedAt' | 'endedAt'>, startedAt: number): void {
    if (operation.kind === 'upload' && operation.outcome === 'done') this.accepted++;
    this.history.push({ ...operation, startedAt, endedAt: performance.now() });
  }
}
