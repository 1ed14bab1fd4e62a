import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { UntakenAnswers } from './untaken-answers.js';

export interface ConnectionLimits {
  /** Further ones are closed at once. */
  maxConnections: number;
  /** How long a client may take next to nothing of an answer, in ms. */
  answerTimeoutMs: number;
  /** Of memory for answers that clients have not taken yet. */
  answerBytes: number;
}

/**
 * Why connections were ended: their clients took next to nothing of an answer for too long (`stalled`), their answers or the
 * requests that waited took too much memory (`memory`), or there were too many (`refused`).
 */
export type Cuts = Record<'stalled' | 'memory' | 'refused', number>;

/** How far an answer has come. */
interface Position {
  /** Bytes of writes that the system has taken whole. */
  written: number;
  /** Bytes of the write that it is at which it has not taken yet. */
  queued: number;
}

/** What a client takes at least within the time that it has, unless less is left. An attacker could else take a byte at a time. */
const MIN_TAKEN = 64 * 1024;

/**
 * The connections of a server, so that they can be ended without cutting off a request that was accepted. What Node offers
 * for it (`closeIdleConnections`) counts a connection as busy on which nothing was sent yet, or half of some headers.
 * It ends those as well whose clients ask and do not read.
 */
export class Connections {
  readonly cuts: Cuts = { stalled: 0, memory: 0, refused: 0 };
  readonly answers: UntakenAnswers;
  /** Requests that are being answered on each. */
  private readonly open = new Map<Socket, number>();
  /** Where each was that has an answer on its way, and since when. */
  private readonly marks = new WeakMap<Socket, Position & { since: number }>();
  private logged: Cuts = { ...this.cuts };
  private winding = false;

  constructor(
    private readonly limits: ConnectionLimits,
    private readonly logger: Logger,
  ) {
    this.answers = new UntakenAnswers(limits.answerBytes, (socket) => {
      this.cut(socket, 'memory');
    });
  }

  /** How many there are. */
  get size(): number {
    return this.open.size;
  }

  /** Begins with a server, whose answers have to be of `answers.responseClass()`; before it listens. */
  watch(server: Server): void {
    server.maxConnections = this.limits.maxConnections;
    server.on('drop', () => this.cuts.refused++);
    server.on('connection', (socket) => {
      this.open.set(socket, 0);
      socket.once('close', () => this.open.delete(socket));
    });
    server.prependListener('request', ({ socket }: { socket: Socket }, response: ServerResponse) => {
      this.count(socket, 1);
      response.once('close', () => {
        this.count(socket, -1);
      });
      if (this.winding) response.setHeader('Connection', 'close');
    });
  }

  /**
   * Ends the connections whose clients have taken too little of an answer since it was looked at first. To be called now and then:
   * a timer for each answer would cost every answer.
   * @param now in ms
   */
  cutStalled(now: number): void {
    for (const socket of this.open.keys()) {
      if (socket.writableLength === 0) {
        this.marks.delete(socket);
        continue;
      }
      const position = positionOf(socket);
      const mark = this.marks.get(socket);
      if (!mark || hasMoved(mark, position)) this.marks.set(socket, { ...position, since: now });
      else if (now - mark.since >= this.limits.answerTimeoutMs) this.cut(socket, 'stalled');
    }
    this.log();
  }

  /** From now on the answer to a request is the last one on its connection. */
  windDown(): void {
    this.winding = true;
  }

  /** Ends every connection on which no request is being answered, nor the end of an answer still on its way. */
  closeIdle(): void {
    for (const [socket, requests] of this.open) {
      if (requests === 0 && socket.writableLength === 0) socket.destroy();
    }
  }

  /** By a reset: the system would else keep what it has taken for a client that does not read, and go on trying. */
  cut(socket: Socket, why: keyof Cuts): void {
    if (socket.destroyed) return;
    this.cuts[why]++;
    socket.resetAndDestroy();
  }

  /** One line for all that were cut off since the last one: they may be thousands. */
  private log(): void {
    const { cuts, logged } = this;
    const more = {
      stalled: cuts.stalled - logged.stalled,
      memory: cuts.memory - logged.memory,
      refused: cuts.refused - logged.refused,
    };
    if (more.stalled + more.memory + more.refused === 0) return;
    this.logger.info(more, 'connections were cut off');
    this.logged = { ...cuts };
  }

  private count(socket: Socket, change: 1 | -1): void {
    const requests = this.open.get(socket);
    if (requests !== undefined) this.open.set(socket, requests + change);
  }
}

function positionOf(socket: Socket): Position {
  // A write is under way as long as some of it is left, and how much that is Node itself asks here (`setTimeout` of a socket).
  const { _handle: handle } = socket as unknown as { _handle?: { writeQueueSize: number } | null };
  return { written: socket.bytesWritten - socket.writableLength, queued: handle?.writeQueueSize ?? 0 };
}

function hasMoved(before: Position, now: Position): boolean {
  return now.written !== before.written || before.queued - now.queued >= MIN_TAKEN;
}
