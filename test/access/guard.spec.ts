import { Controller, Get, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { AccessGuard } from '../../src/access/access.guard.js';
import { KeyRing } from '../../src/access/key-ring.js';
import { Needs, Public } from '../../src/access/marks.js';
import { Tickets } from '../../src/access/tickets.js';
import { Tokens } from '../../src/access/tokens.js';
import { Settings } from '../../src/config/settings.js';
import { FailureLog } from '../../src/http/failure-log.js';
import { ForeignPages } from '../../src/http/foreign-pages.js';
import { ProblemFilter } from '../../src/http/problem.filter.js';
import { RequestOrigins } from '../../src/http/request-origins.js';
import { bearer, item } from '../support/api-keys.js';

@Controller('thing')
class Thing {
  @Get('forgotten')
  forgotten(): string {
    return 'told';
  }

  @Get('open')
  @Public()
  open(): string {
    return 'told';
  }

  @Get('read')
  @Needs('read')
  read(): string {
    return 'told';
  }
}

const settings = new Settings();
settings.apiKeys = [item('both', 'read+write'), item('jobs', 'admin')];

@Module({
  controllers: [Thing],
  providers: [
    FailureLog,
    ForeignPages,
    KeyRing,
    RequestOrigins,
    Tickets,
    Tokens,
    { provide: Settings, useValue: settings },
    { provide: APP_FILTER, useClass: ProblemFilter },
    { provide: APP_GUARD, useClass: AccessGuard },
  ],
})
class Application {}

it('closes a route that somebody forgot to mark to all but admin', async () => {
  const app = await NestFactory.create<NestFastifyApplication>(Application, new FastifyAdapter(), {
    logger: false,
  });
  try {
    await app.listen(0, '127.0.0.1');
    const url = await app.getUrl();
    const statuses = async (headers: Record<string, string>) =>
      Promise.all(
        ['forgotten', 'open', 'read'].map(
          async (name) => (await fetch(`${url}/thing/${name}`, { headers })).status,
        ),
      );
    expect(await statuses({})).toEqual([401, 200, 401]);
    expect(await statuses(bearer('both'))).toEqual([403, 200, 200]);
    expect(await statuses(bearer('jobs'))).toEqual([200, 200, 200]);
  } finally {
    await app.close();
  }
});
