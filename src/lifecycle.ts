import type { Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type BeforeApplicationShutdown,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { Settings } from './config/settings.js';
import { HotAnswers } from './delivery/hot-answers.js';
import { NestLogger } from './ops/logging.js';
import { Connections } from './server/connections.js';
import { answerInTurn } from './server/pipelining.js';

/** The longest time between two searches for stalled connections, in ms. */
const LOOK_FOR_STALLED_MS = 1000;
/** The time between two searches for idle connections while the service stops, in ms. */
const LOOK_FOR_IDLE_MS = 100;

/** Sets up the HTTP server around Nest: what handles a request first, and how the service stops. */
@Injectable()
export class ServerLifecycle
  implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown
{
  private readonly logger = new Logger(ServerLifecycle.name);
  private readonly intervals: NodeJS.Timeout[] = [];

  constructor(
    private readonly host: HttpAdapterHost,
    private readonly connections: Connections,
    private readonly hot: HotAnswers,
    private readonly log: NestLogger,
    private readonly settings: Settings,
  ) {}

  /**
   * Puts two steps before the framework: a request waits for its turn on the connection, then the hot answers
   * try to answer it. Nest's middleware runs behind the router and would make a hot read several times
   * slower.
   */
  onApplicationBootstrap(): void {
    const { connections, hot, server } = this;
    hot.standBefore(server);
    answerInTurn(server, (socket) => {
      connections.cut(socket, 'memory');
    });
    this.every(Math.min(LOOK_FOR_STALLED_MS, this.settings.answerTimeoutMs / 4), () => {
      connections.cutStalled(performance.now());
    });
  }

  /**
   * Drains the server. Readiness says `stopping` by now. Nest closes the server to new connections once this
   * resolves.
   */
  async beforeApplicationShutdown(signal?: string): Promise<void> {
    this.logger.log({ signal }, 'stopping: requests in progress are finished first');
    this.connections.windDown();
    await sleep(this.settings.shutdownDrainMs);
    // Repeated, since connections become idle one by one.
    this.every(LOOK_FOR_IDLE_MS, () => {
      this.connections.closeIdle(this.server);
    });
  }

  /**
   * Nest calls the hooks of this module last (see `AppModule`), and then ends the process: a line that is
   * still being written would come late or torn.
   */
  async onApplicationShutdown(): Promise<void> {
    for (const interval of this.intervals) clearInterval(interval);
    this.logger.log('stopped');
    await this.log.written();
  }

  private get server(): Server {
    return this.host.httpAdapter.getHttpServer() as Server;
  }

  private every(ms: number, task: () => void): void {
    this.intervals.push(setInterval(task, ms).unref());
  }
}
