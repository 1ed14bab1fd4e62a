import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { unsentOfCurrentWrite } from './node-internals.js';
import { UnsentAnswers } from './unsent-answers.js';

export interface ConnectionLimits {
  /** Connections beyond these are closed at once. */
  maxConnections: number;
  /** How long a client may take next to nothing of an answer, in ms. */
  answerTimeoutMs: number;
  /** Memory for answers that clients have not taken yet. */
  answerBytes: number;
}

/**
 * How many connections were cut off, by reason: the client took next to nothing of an answer for too long
 * (`stalled`), its answers or waiting requests took too much memory (`memory`), or there were too many
 * connections (`refused`).
 */
export type Cuts = Record<'stalled' | 'memory' | 'refused', number>;

/** How much of an answer the client has taken. */
interface Position {
  /** Bytes of writes that the system has taken in full. */
  written: number;
  /** Bytes of the current write that it has not taken yet. */
  queued: number;
}

/**
 * The least that a client has to take in its time, unless less is left. Otherwise an attacker could take a
 * byte at a time.
 */
const MIN_TAKEN = 64 * 1024;

/**
 * Limits the connections of the servers: how many there are, and how long a client may take for an answer. At
 * shutdown it closes the idle ones, and no request that was accepted is cut off. Node's own
 * `closeIdleConnections` counts a connection as busy if it has sent nothing yet, or half of its headers.
 */
export class Connections {
  readonly cuts: Cuts = { stalled: 0, memory: 0, refused: 0 };
  readonly answers: UnsentAnswers;
  private readonly open = new Map<Socket, { server: Server; answering: number }>();
  /** How far the answer on a connection was when it last moved, and when that was. */
  private readonly marks = new WeakMap<Socket, Position & { since: number }>();
  private logged: Cuts = { ...this.cuts };
  private winding = false;

  constructor(
    private readonly limits: ConnectionLimits,
    private readonly logger: Logger,
  ) {
    this.answers = new UnsentAnswers(limits.answerBytes, (socket) => {
      this.cut(socket, 'memory');
    });
  }

  /** How many connections are open. */
  get size(): number {
    return this.open.size;
  }

  /**
   * Watches a server. Call it before the server listens; its answers have to be of `answers.responseClass()`.
   */
  watch(server: Server): void {
    server.maxConnections = this.limits.maxConnections;
    server.on('drop', () => this.cuts.refused++);
    server.on('connection', (socket) => {
      this.open.set(socket, { server, answering: 0 });
      socket.once('close', () => this.open.delete(socket));
    });
    const { open } = this;
    // One function for all answers: a listener of its own for each would take longer than the rest of this.
    function answered(this: ServerResponse) {
      const connection = open.get(this.req.socket);
      if (connection) connection.answering--;
    }
    server.prependListener('request', ({ socket }: { socket: Socket }, response: ServerResponse) => {
      const connection = open.get(socket);
      if (connection) connection.answering++;
      response.on('close', answered);
      if (this.winding) response.setHeader('Connection', 'close');
    });
  }

  /** The server that a connection belongs to; undefined if it is closed. */
  serverOf(socket: Socket): Server | undefined {
    return this.open.get(socket)?.server;
  }

  /**
   * Cuts off the clients that have taken too little of an answer for too long. Call it now and then: a timer
   * for each answer would slow down all of them.
   * @param now a monotonic time, in ms
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

  /** From now on each answer is the last one on its connection. */
  windDown(): void {
    this.winding = true;
  }

  /** Closes every connection of a server that is neither answering a request nor still sending an answer. */
  closeIdle(server: Server): void {
    for (const [socket, connection] of this.open) {
      if (connection.server !== server) continue;
      if (connection.answering === 0 && socket.writableLength === 0) socket.destroy();
    }
  }

  /**
   * Resets a connection. A normal close would have the system keep the unread bytes, and go on trying to send
   * them.
   */
  cut(socket: Socket, why: keyof Cuts): void {
    if (socket.destroyed) return;
    this.cuts[why]++;
    socket.resetAndDestroy();
  }

  /** Logs one line for all connections that were cut off since the last line: they may be thousands. */
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
}

function positionOf(socket: Socket): Position {
  return { written: socket.bytesWritten - socket.writableLength, queued: unsentOfCurrentWrite(socket) };
}

function hasMoved(before: Position, now: Position): boolean {
  return now.written !== before.written || before.queued - now.queued >= MIN_TAKEN;
}
