import type { Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type BeforeApplicationShutdown,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { Settings } from './config/settings.js';
import { HotAnswers } from './delivery/hot-answers.js';
import { Connections } from './http/connections.js';
import { answerInTurn } from './http/in-turn.js';

/** The signals that end the service. */
export const SHUTDOWN_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** How often stalled connections are looked for, at most, and idle ones while the service stops, in ms. */
const LOOK_FOR_STALLED_MS = 1000;
const LOOK_FOR_IDLE_MS = 100;

/** What happens to the HTTP server around Nest: who sees a request first, and how the service stops. */
@Injectable()
export class ServerLifecycle implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(ServerLifecycle.name);

  constructor(
    private readonly host: HttpAdapterHost,
    private readonly connections: Connections,
    private readonly hot: HotAnswers,
    private readonly settings: Settings,
  ) {}

  /**
   * Lets a request pass: its turn on the connection, the hot answers, the framework. Nest's own ways would come behind the router and
   * cost a hot read several times what it takes.
   */
  onApplicationBootstrap(): void {
    const { connections, hot } = this;
    const server = this.host.httpAdapter.getHttpServer() as Server;
    connections.watch(server);
    hot.standBefore(server);
    answerInTurn(server, (socket) => {
      connections.cut(socket, 'memory');
    });
    setInterval(
      () => {
        connections.cutStalled(performance.now());
      },
      Math.min(LOOK_FOR_STALLED_MS, this.settings.answerTimeoutMs / 4),
    ).unref();
  }

  /** Nobody is let in any more once this resolves. By now readiness says `stopping`. */
  async beforeApplicationShutdown(signal?: string): Promise<void> {
    this.logger.log({ signal }, 'stopping: what was accepted is finished first');
    // A signal may come twice, passed on by a parent. Nest drops its listeners just before it exits, and such a signal would then kill.
    for (const each of SHUTDOWN_SIGNALS) process.on(each, () => undefined);
    setTimeout(() => {
      this.logger.fatal('stopped with requests unfinished: SHUTDOWN_TIMEOUT_MS is over');
      process.exit(1);
    }, this.settings.shutdownTimeoutMs).unref();
    process.once('exit', (code) => {
      if (code === 0) this.logger.log('stopped');
    });
    this.connections.windDown();
    await sleep(this.settings.shutdownDrainMs);
    // Repeated, since connections become idle one after the other.
    setInterval(() => {
      this.connections.closeIdle();
    }, LOOK_FOR_IDLE_MS).unref();
  }
}
