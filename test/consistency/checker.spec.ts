import { type Final, type Operation, contradictions } from './checker.js';

const NOTHING: Final = { current: null, versions: [] };

/** A write or read that took a while, from one whole number to the next. */
function at(startedAt: number, rest: Partial<Operation>): Operation {
  return { kind: 'upload', outcome: 'done', startedAt, endedAt: startedAt + 0.5, ...rest };
}

function final(current: string | null, ...versions: string[]): Final {
  const newest = versions.map((version) => ({ version, uploadedAt: version }));
  return { current, versions: newest, head: { at: versions[0] ?? '', version: current } };
}

describe('the checker', () => {
  it.each<[string, Operation[], Final]>([
    ['nothing at all', [], NOTHING],
    ['uploads', [at(1, { version: 'a' }), at(2, { version: 'b' })], final('b', 'b', 'a')],
    [
      'two uploads at the same time, in either order',
      [at(1, { version: 'b' }), at(1, { version: 'a' })],
      final('b', 'b', 'a'),
    ],
    ['an upload without an answer that was done', [at(1, { outcome: 'unknown' })], final('a', 'a')],
    ['an upload without an answer that was not', [at(1, { outcome: 'unknown' })], NOTHING],
    [
      'a restore, a delete, and reads of what they made current',
      [
        at(0, { kind: 'read', version: null }),
        at(1, { version: 'a' }),
        at(2, { version: 'b' }),
        at(3, { kind: 'restore', version: 'a' }),
        at(4, { kind: 'read', version: 'a' }),
        at(5, { kind: 'delete', version: null }),
        at(6, { kind: 'read', version: null }),
      ],
      final(null, 'b', 'a'),
    ],
    [
      'a read of a version that is being written',
      [at(1, { version: 'a' }), at(2, { version: 'b', endedAt: 9 }), at(3, { kind: 'read', version: 'b' })],
      final('b', 'b', 'a'),
    ],
  ])('finds nothing wrong with %s', (_, history, end) => {
    expect(contradictions(history, end)).toEqual([]);
  });

  it.each<[string, Operation[], Final, RegExp]>([
    ['a lost upload', [at(1, { version: 'a' }), at(2, { version: 'b' })], final('b', 'b'), /a is lost/],
    [
      'one name for two uploads',
      [at(1, { version: 'a' }), at(2, { version: 'a' })],
      final('a', 'a'),
      /two uploads/,
    ],
    ['a version that is there twice', [at(1, { version: 'a' })], final('a', 'a', 'a'), /twice/],
    [
      'a version that nobody uploaded',
      [at(1, { version: 'a' })],
      final('a', 'b', 'a'),
      /1 versions come from 0/,
    ],
    [
      'a restore of a version that is gone',
      [at(1, { kind: 'restore', version: 'a', outcome: 'missing' })],
      NOTHING,
      /missing/,
    ],
    ['a current version that is not there', [at(1, { version: 'a' })], final('b', 'a'), /not in the history/],
    [
      'an earlier version that is current',
      [at(1, { version: 'a' }), at(2, { version: 'b' })],
      final('a', 'b', 'a'),
      /a, which was replaced/,
    ],
    [
      'a current version that does not come from the latest intent',
      [at(1, { version: 'a' })],
      { ...final('a', 'a'), head: { at: 'a', version: null } },
      /latest intent/,
    ],
    [
      'an upload later than the latest intent',
      [at(1, { version: 'a' })],
      { ...final('a', 'a'), head: { at: '', version: 'a' } },
      /later than/,
    ],
    [
      'a read of a version that was already replaced',
      [at(1, { version: 'a' }), at(2, { version: 'b' }), at(3, { kind: 'read', version: 'a' })],
      final('b', 'b', 'a'),
      /a read shows a/,
    ],
    [
      'a read of nothing after an upload',
      [at(1, { version: 'a' }), at(2, { kind: 'read', version: null })],
      final('a', 'a'),
      /a read shows null/,
    ],
    [
      'a connection that goes back in time',
      [
        at(1, { version: 'a' }),
        at(2, { version: 'b', endedAt: 9 }),
        at(3, { kind: 'read', version: 'b', connection: 1 }),
        at(4, { kind: 'read', version: 'a', connection: 1 }),
      ],
      final('b', 'b', 'a'),
      /saw b, and then a/,
    ],
  ])('finds %s', (_, history, end, found) => {
    expect(contradictions(history, end).join('\n')).toMatch(found);
  });
});
