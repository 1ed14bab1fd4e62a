import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { send } from '../http/support/client.js';
import { picture } from '../http/support/pictures.js';
import { local } from '../support/local.js';
import { type Environment, type RunningService, startProcess } from '../support/service.js';
import { Tracing, parseTrace } from '../support/strace.js';
import { needs } from '../support/tools.js';
import { type Audit, auditCalls } from './audit.js';

needs('strace')('the order of system calls', () => {
  let folder: string;
  let service: RunningService;
  let tracing: Tracing;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'visage-audit-'));
  });
  afterEach(async () => {
    await service.stop();
    await rm(folder, { recursive: true });
  });

  const start = async (environment: Environment) => {
    tracing = await Tracing.ofCommand();
    service = await startProcess(environment, tracing.prefix);
  };
  const change = async (method: string, path = '', body?: Buffer | string) => {
    const headers = typeof body === 'string' ? { 'content-type': 'application/json' } : {};
    return send(service.url, {
      method,
      path: `/v1/avatars/alice${path}`,
      headers,
      ...(body !== undefined && { body }),
    });
  };
  const audit = async (root: string): Promise<Audit> => {
    await service.stop();
    return auditCalls(await tracing.finish(Number(service.process.pid)), root);
  };

  it('on a disk is write, fsync, name, fsync of the folders, answer; the same if the root folder is new', async () => {
    const root = join(folder, 'made', 'by', 'the-service');
    await start({ ...(await local.environment()), STORAGE_LOCAL_PATH: root });
    const first = await change('PUT', '', await picture('png'));
    const { version } = JSON.parse(first.body.toString()) as { version: string };
    const answered = [
      first,
      await change('PUT', '', await picture('jpeg')),
      await change('PUT', '', await picture('jpeg')),
      await change('PUT', '/current', JSON.stringify({ version })),
      await change('DELETE'),
      await change('DELETE', '?erase=true'),
    ];
    expect(answered.map(({ status }) => status)).toEqual([201, 201, 200, 200, 204, 200]);
    const { answers, violations } = await audit(root);
    expect(violations).toEqual([]);
    const master = ['mkdir avatars/alice/V', 'link avatars/alice/V/master.jpeg'];
    const swap = 'rename manifests/alice.json';
    const gone = ['unlink avatars/alice/V/master.jpeg', 'rmdir avatars/alice/V'];
    expect(answers.map(effectsOf)).toEqual(
      [
        [
          ...['mkdir made', 'mkdir by', 'mkdir the-service', 'mkdir adoption', 'link adoption/complete.json'],
          ...['mkdir avatars', 'mkdir avatars/alice'],
          ...[...master, 'mkdir manifests', 'link manifests/alice.json'],
        ],
        [...master, swap],
        [],
        [swap],
        [swap],
        [swap, ...gone, ...gone, 'rmdir avatars/alice', 'rmdir avatars'],
      ].map((effects) => effects.sort()),
    );
  });

  it('is the same in the outbox, before a 202', async () => {
    const outbox = join(folder, 'made', 'outbox');
    await start({
      STORAGE_BACKEND: 's3',
      STORAGE_S3_BUCKET: 'away',
      STORAGE_S3_ENDPOINT: 'http://127.0.0.1:1',
      STORAGE_S3_ACCESS_KEY_ID: 'nobody',
      STORAGE_S3_SECRET_ACCESS_KEY: 'nothing',
      OUTBOX_PATH: outbox,
    });
    const answered = [await change('PUT', '', await picture('png')), await change('DELETE')];
    expect(answered.map(({ status }) => status)).toEqual([202, 202]);
    const { answers, violations } = await audit(join(outbox, 'slot-0'));
    expect(violations).toEqual([]);
    expect(answers.map(effectsOf)).toEqual([
      [
        ...['mkdir made', 'mkdir outbox', 'mkdir pending', 'mkdir slot-0'],
        ...['rename pending/V.json', 'rename pending/V.master', 'rename storage.json'],
      ],
      ['rename pending/V.json'],
    ]);
  });
});

/** Without those of the trials at the start. */
function effectsOf({ effects }: Audit['answers'][number]): string[] {
  return effects
    .filter((effect) => !/ probes(\/|$)/.test(effect))
    .map((effect) => effect.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/, 'V'))
    .sort();
}

describe('the audit', () => {
  /** What strace writes of a store that does all as it should. */
  const right = `7  openat(AT_FDCWD</>, "/r/.tmp/t", O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, 0666) = 21</r/.tmp/t>
7  write(21</r/.tmp/t>, "\\377\\330"..., 811) = 811
7  fsync(21</r/.tmp/t> <unfinished ...>
8  write(17<anon_inode:[eventfd]>, "\\1\\0\\0\\0\\0\\0\\0\\0", 8) = 8
7  <... fsync resumed>) = 0
7  link("/r/.tmp/t", "/r/a/b") = -1 ENOENT (No such file or directory)
7  mkdir("/r/a", 0777) = 0
7  link("/r/.tmp/t", "/r/a/b") = 0
7  openat(AT_FDCWD</>, "/r", O_RDONLY|O_CLOEXEC) = 21</r>
7  fsync(21</r>) = 0
8  openat(AT_FDCWD</>, "/r/a", O_RDONLY|O_CLOEXEC) = 22</r/a>
8  fsync(22</r/a>) = 0
7  unlink("/r/.tmp/t") = 0
6  writev(20<socket:[1]>, [{iov_base="HTTP/1.1 201 Created\\r\\nx-"..., iov_len=1669}], 1) = 1669`.split(
    '\n',
  );
  const [OPENED, WRITTEN, SYNCED, , SYNC_ENDED, , MADE, LINKED, , ROOT_SYNCED, , FOLDER_SYNCED, , ANSWERED] =
    right.keys();

  const move = (from = -1, to = -1) => {
    const lines = [...right];
    lines.splice(to, 0, ...lines.splice(from, 1));
    return lines;
  };
  const drop = (...dropped: (number | undefined)[]) => right.filter((_, line) => !dropped.includes(line));
  const auditOf = (lines: string[]) => auditCalls(parseTrace(lines.join('\n')), '/r');

  it('finds nothing wrong with a correct trace', () => {
    expect(auditOf(right)).toEqual({
      answers: [{ status: 201, effects: ['mkdir a', 'link a/b'] }],
      violations: [],
    });
  });

  it('knows that a folder had been emptied before it was removed, whichever call began first', () => {
    const removed = `7  rmdir("/r/a" <unfinished ...>
8  rmdir("/r/a/b") = 0
7  <... rmdir resumed>) = 0
7  openat(AT_FDCWD</>, "/r", O_RDONLY|O_CLOEXEC) = 21</r>
7  fsync(21</r>) = 0
6  writev(20<socket:[1]>, [{iov_base="HTTP/1.1 200 OK\\r\\nx-"..., iov_len=1669}], 1) = 1669`;
    expect(auditOf(removed.split('\n')).violations).toEqual([]);
  });

  it.each<[string, string[], string]>([
    [
      'a file that is never fsynced',
      drop(SYNCED, SYNC_ENDED),
      '/r/a/b is named before its bytes are fsynced',
    ],
    [
      'an fsync that ends after the link',
      move(SYNC_ENDED, LINKED),
      '/r/a/b is named before its bytes are fsynced',
    ],
    ['a write after the fsync', move(WRITTEN, SYNC_ENDED), '/r/a/b is named before its bytes are fsynced'],
    [
      'a folder that is never fsynced',
      drop(FOLDER_SYNCED),
      '201 goes out before the fsync of /r/a after link a/b',
    ],
    [
      'a folder fsynced before the link',
      move(FOLDER_SYNCED, MADE),
      '201 goes out before the fsync of /r/a after link a/b',
    ],
    [
      'the parent of a new folder not fsynced',
      drop(ROOT_SYNCED),
      '201 goes out before the fsync of /r after mkdir a',
    ],
    [
      'an answer before the fsync',
      move(ANSWERED, FOLDER_SYNCED),
      '201 goes out before the fsync of /r/a after link a/b',
    ],
    [
      'an object written in place',
      right.map((line, i) => (i === OPENED ? line.replaceAll('/r/.tmp/t', '/r/a/b') : line)),
      '/r/a/b is written where it lies',
    ],
    [
      'a new root whose parent is not fsynced',
      ['7  mkdir("/r", 0777) = 0', ...right],
      '201 goes out before the fsync of / after mkdir r',
    ],
  ])('catches %s', (_, lines, violation) => {
    expect(auditOf(lines).violations).toEqual([violation]);
  });
});
