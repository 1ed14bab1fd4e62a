import { pino } from 'pino';
import type { Finding } from '../../src/cli/command.js';
import { examineEach } from '../../src/cli/for-each.js';
import { CodedError } from '../../src/errors.js';
import { ManifestUnreadable } from '../../src/model/manifest-format.js';
import { StorageFull, StorageUnavailable } from '../../src/storage/object-store.js';

/** Works on ids one after the other, of which some fail. */
async function examine(failing: Record<string, Error>) {
  const lines: string[] = [];
  const logger = pino({}, { write: (line: string) => lines.push(line) });
  const progress = {
    visible: false,
    start: () => undefined,
    step: () => undefined,
    aside: () => undefined,
    stop: () => undefined,
  };
  const findings: Finding[] = [];
  const done: string[] = [];
  const ended = examineEach(
    ids(),
    { dryRun: false, concurrency: 1, logger, progress, say: () => undefined },
    { where: (id) => `manifests/${id}.json`, report: (finding) => findings.push(finding) },
    (id) => {
      done.push(id);
      const error = failing[id];
      return error ? Promise.reject(error) : Promise.resolve();
    },
  );
  const error = await ended.catch((reason: unknown) => reason);
  return { error, done, findings, log: lines.join('') };
}

async function* ids() {
  for (const id of ['a', 'b', 'c', 'd', 'e']) yield await Promise.resolve(id);
}

describe('examineEach', () => {
  it('reports the failure of one and goes on, and logs the stack of an unexpected error', async () => {
    const { error, done, findings, log } = await examine({
      a: new TypeError('x is not a function'),
      b: new ManifestUnreadable('manifests/b.json', 'current has to be a UUIDv7 or null'),
      c: new ManifestUnreadable('manifests/other.json', 'it is not JSON'),
      d: new CodedError('busy', 'The queue is full.'),
    });
    expect([error, done]).toEqual([undefined, ['a', 'b', 'c', 'd', 'e']]);
    expect(findings).toEqual([
      { code: 'unexpected_error', where: 'manifests/a.json', message: 'TypeError: x is not a function' },
      {
        code: 'manifest_unreadable',
        where: 'manifests/b.json',
        message: 'current has to be a UUIDv7 or null',
      },
      {
        code: 'manifest_unreadable',
        where: 'manifests/c.json',
        message: 'manifests/other.json: it is not JSON',
      },
      { code: 'busy', where: 'manifests/d.json', message: 'The queue is full.' },
    ]);
    expect(log.trim().split('\n')).toEqual([
      expect.stringMatching(/manifests\/a\.json.*for-each\.spec|for-each\.spec.*manifests\/a\.json/),
    ]);
  });

  it.each([new StorageUnavailable(undefined), new StorageFull(undefined)])(
    'ends with an outage: %s',
    async (outage) => {
      const { error, done, findings } = await examine({ b: outage });
      expect([error, done, findings]).toEqual([outage, ['a', 'b'], []]);
    },
  );
});
