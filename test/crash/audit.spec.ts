import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { send } from '../http/support/client.js';
import { picture } from '../http/support/pictures.js';
import { type RunningService, backends, startService } from '../support/service.js';
import { type Call, Tracing, parseTrace } from '../support/strace.js';
import { type Audit, auditCalls } from './audit.js';

const [local] = backends;

describe('the order of system calls on a disk', () => {
  let folder: string;
  let root: string;
  let service: RunningService;
  let tracing: Tracing;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'visage-audit-'));
    root = join(folder, 'made', 'by', 'the-service');
    tracing = await Tracing.ofCommand();
    service = await startService(
      { ...(await local?.environment()), STORAGE_LOCAL_PATH: root },
      tracing.prefix,
    );
  });
  afterEach(() => rm(folder, { recursive: true }));

  const change = async (method: string, body?: Buffer) => {
    const path = '/v1/avatars/alice';
    const { status } = await send(service.url, { method, path, ...(body && { body }) });
    return status;
  };
  const finish = async (): Promise<Call[]> => {
    await service.stop();
    return tracing.finish(Number(service.process.pid));
  };

  it('is write, fsync, name, fsync of the folders, answer: from the first upload, whose root has to be made', async () => {
    const statuses = [
      await change('PUT', await picture('png')),
      await change('PUT', await picture('jpeg')),
      await change('PUT', await picture('jpeg')),
      await change('DELETE'),
    ];
    expect(statuses).toEqual([201, 201, 200, 204]);
    const { answers, violations } = auditCalls(await finish(), root);
    expect(violations).toEqual([]);
    expect(answers.map(effectsOf)).toEqual([
      [
        '201',
        ...['mkdir made', 'mkdir by', 'mkdir the-service'],
        ...[
          'mkdir avatars',
          'mkdir avatars/alice',
          'mkdir avatars/alice/V',
          'link avatars/alice/V/master.jpeg',
        ],
        ...['mkdir manifests', 'link manifests/alice.json'],
      ],
      ['201', 'mkdir avatars/alice/V', 'link avatars/alice/V/master.jpeg', 'rename manifests/alice.json'],
      ['200'],
      ['204', 'rename manifests/alice.json'],
    ]);
  });
});

function effectsOf({ status, effects }: Audit['answers'][number]): string[] {
  return [String(status), ...effects.map((effect) => effect.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/, 'V'))];
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

  it('finds nothing wrong with what is right', () => {
    expect(auditOf(right)).toEqual({
      answers: [{ status: 201, effects: ['mkdir a', 'link a/b'] }],
      violations: [],
    });
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
      'an object written where it lies',
      right.map((line, i) => (i === OPENED ? line.replaceAll('/r/.tmp/t', '/r/a/b') : line)),
      '/r/a/b is written where it lies',
    ],
    [
      'a root that was made and not fsynced above',
      ['7  mkdir("/r", 0777) = 0', ...right],
      '201 goes out before the fsync of / after mkdir r',
    ],
  ])('catches %s', (_, lines, violation) => {
    expect(auditOf(lines).violations).toEqual([violation]);
  });
});
