import { Controller, Get, Module, Put, type Type } from '@nestjs/common';
import { APP_FILTER, NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { pino } from 'pino';
import { CodedError } from '../../src/errors.js';
import { FailureLog } from '../../src/http/failure-log.js';
import { rememberRoutes } from '../../src/http/known-routes.js';
import { ProblemFilter } from '../../src/http/problem.filter.js';

const AWAY = new CodedError('storage_unavailable', 'The storage is away.');

@Controller('thing')
class Reads {
  @Get()
  get(): never {
    throw AWAY;
  }
}

@Controller('thing')
class Writes {
  @Put()
  put(): never {
    throw AWAY;
  }
}

describe('two applications in one process', () => {
  const apps: NestFastifyApplication[] = [];
  afterEach(() => Promise.all(apps.splice(0).map((app) => app.close())));

  /** Starts an application. @returns the URL of its `thing`, and the errors that it logs */
  async function start(controller: Type): Promise<[url: string, errors: string[]]> {
    @Module({
      controllers: [controller],
      providers: [FailureLog, { provide: APP_FILTER, useClass: ProblemFilter }],
    })
    class Application {}

    const errors: string[] = [];
    const loggerInstance = pino({ level: 'error' }, { write: (line: string) => errors.push(line) });
    const adapter = new FastifyAdapter({ loggerInstance } as ConstructorParameters<typeof FastifyAdapter>[0]);
    const app = await NestFactory.create<NestFastifyApplication>(Application, adapter, { logger: false });
    rememberRoutes(adapter.getInstance());
    apps.push(app);
    await app.listen(0, '127.0.0.1');
    return [`${await app.getUrl()}/thing`, errors];
  }

  it('know their own routes only', async () => {
    const [[reads], [writes]] = [await start(Reads), await start(Writes)];
    const allowedBy = async (url: string) => (await fetch(url, { method: 'DELETE' })).headers.get('allow');
    expect([await allowedBy(reads), await allowedBy(writes)]).toEqual(['GET, HEAD', 'PUT']);
  });

  it('each log a failure that the other has logged already', async () => {
    const [[reads, one], [writes, two]] = [await start(Reads), await start(Writes)];
    for (let n = 0; n < 2; n++) {
      expect((await fetch(reads)).status).toBe(503);
      expect((await fetch(writes, { method: 'PUT' })).status).toBe(503);
    }
    expect([one.length, two.length]).toEqual([1, 1]);
  });
});
