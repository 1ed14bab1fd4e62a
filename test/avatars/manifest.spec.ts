import {
  ManifestUnreadable,
  faultOfIntent,
  isInstant,
  readManifest,
  writeManifest,
} from '../../src/model/manifest-format.js';
import { type Intent, apply, merge } from '../../src/model/intents.js';
import {
  type Manifest,
  type Version,
  currentVersion,
  described,
  emptyManifest,
  endOfErased,
  hiddenVersion,
  instantAfter,
  isErased,
} from '../../src/model/manifest.js';
import { runs } from '../support/programme.js';
import { fc } from '../support/properties.js';
import { PICTURE } from './support.js';

const HISTORY = 3;
const at = (tick: number) => new Date(tick).toISOString();

function version(name: string, tick: number): Version {
  const facts = {
    ...PICTURE,
    ...(tick % 2 === 0 && {
      sha256: 'b'.repeat(64),
      alt: 'Ada, laughing',
      by: { kind: 'key', name: 'app' } as const,
      reduced: 'quality' as const,
      rotate: 90 as const,
      crop: { x: 0, y: 7, width: 90, height: 80 },
    }),
  } as const;
  return { ...facts, version: name, uploadedAt: at(tick) };
}

/**
 * Versions whose time of upload follows from their name, so that one version is the same in every intent. These do not sort as their
 * names: in the first releases a name had another time than its upload.
 */
const firstVersions = fc
  .integer({ min: 1, max: 12 })
  .map((tick) => version(`0000000${tick % 5}-0000-7000-8000-${String(tick).padStart(12, '0')}`, tick));
/** Versions of today. */
const soundVersions = fc
  .integer({ min: 1, max: 12 })
  .map((tick) =>
    version(`00000000-000${tick.toString(16)}-7000-9000-${String(tick).padStart(12, '0')}`, tick),
  );
const versions = fc.oneof(firstVersions, soundVersions);
const HASHES = ['a', 'b', 'c'].map((letter) => letter.repeat(32));
const intents = fc.oneof(
  versions.map((one): Intent => ({ type: 'publish', at: one.uploadedAt, version: one })),
  fc.record({ one: versions, later: fc.nat(6) }).map(({ one, later }): Intent => {
    return { type: 'restore', at: at(Date.parse(one.uploadedAt) + later), version: one };
  }),
  fc.integer({ min: 1, max: 14 }).map((tick): Intent => ({ type: 'remove', at: at(tick) })),
  fc
    .record({ one: soundVersions, later: fc.nat(6), shown: fc.option(fc.nat(6)) })
    .map(({ one, later, shown }): Intent => {
      const made = Date.parse(one.uploadedAt);
      const shownAt = shown === null ? {} : { shownAt: at(made + Math.min(shown, later)) };
      return { type: 'eraseVersion', at: at(made + later), version: one.version, ...shownAt };
    }),
  fc.integer({ min: 1, max: 14 }).map((tick): Intent => ({ type: 'erase', at: at(tick) })),
  fc.integer({ min: 2, max: 14 }).chain((tick) =>
    fc.integer({ min: 1, max: tick }).map((first): Intent => {
      return { type: 'erase', at: at(tick), confirms: at(first) };
    }),
  ),
  fc
    .record({ tick: fc.integer({ min: 1, max: 14 }), hashes: fc.subarray(HASHES) })
    .map(({ tick, hashes }): Intent => ({ type: 'alias', at: at(tick), hashes })),
  fc
    .record({
      tick: fc.integer({ min: 1, max: 14 }),
      locked: fc.boolean(),
      reason: fc.constantFrom('a', 'b'),
    })
    .map(({ tick, locked, reason }): Intent => {
      return { type: 'lock', at: at(tick), locked, ...(locked && { reason }) };
    }),
);
const describes = fc
  .record({ one: versions, later: fc.nat(6), alt: fc.constantFrom('a', 'b', undefined) })
  .map(({ one, later, alt }): Intent => {
    const when = at(Date.parse(one.uploadedAt) + later);
    return { type: 'describe', at: when, version: described(one, alt, when) };
  });
/** The same intents in another order, with some of them once more. */
const inOrders = (intent: fc.Arbitrary<Intent>) =>
  fc
    .array(intent, { maxLength: 12 })
    .chain((list) =>
      fc.tuple(
        fc.constant(list),
        fc.shuffledSubarray(list, { minLength: list.length }),
        fc.shuffledSubarray(list),
      ),
    );
const all = (list: readonly Intent[], history = HISTORY) =>
  list.reduce((manifest, intent) => apply(manifest, intent, history), emptyManifest('id'));
/** No list of intents has more versions. */
const UNLIMITED = 100;
const undescribed = (manifest: Manifest): Manifest => ({
  ...manifest,
  versions: manifest.versions.map(({ version: name }) => version(name, Number(name.slice(-12)))),
});

/** The time of the last of these intents. @returns undefined if there is none, or if it was erased since */
function standing(list: readonly Intent[], manifest: Manifest): string | undefined {
  const last = lastOf(list.map((one) => one.at));
  return last !== undefined && last > (endOfErased(manifest) ?? '') ? last : undefined;
}

const lastOf = (instants: readonly string[]) => [...instants].sort().at(-1);

describe('apply', () => {
  it('gives the same manifest in whatever order, and however often, intents arrive', () => {
    fc.assert(
      fc.property(inOrders(intents), ([list, shuffled, repeated]) => {
        expect(all([...shuffled, ...repeated])).toEqual(all(list));
      }),
      { numRuns: runs(5000) },
    );
  });

  it('gives it with descriptions as well, as long as no version leaves the history', () => {
    fc.assert(
      fc.property(inOrders(fc.oneof(intents, describes)), ([list, shuffled, repeated]) => {
        expect(all([...shuffled, ...repeated], UNLIMITED)).toEqual(all(list, UNLIMITED));
        // Otherwise it only tells whether a description got lost with its version.
        expect(undescribed(all([...shuffled, ...repeated]))).toEqual(undescribed(all(list)));
      }),
      { numRuns: runs(5000) },
    );
  });

  it('shows what was said of a version last, and describing changes neither what is current nor any other fact', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(intents, describes), { maxLength: 12 }), (list) => {
        const manifest = all(list, UNLIMITED);
        const { head, current } = all(
          list.filter(({ type }) => type !== 'describe'),
          UNLIMITED,
        );
        expect([manifest.head, manifest.current]).toEqual([head, current]);
        for (const one of manifest.versions) {
          const said = list.flatMap((intent) =>
            intent.type === 'describe' && intent.version.version === one.version ? [intent.version] : [],
          );
          const last = lastOf(said.map(({ describedAt = '' }) => describedAt));
          expect(one.describedAt).toBe(last);
          if (last !== undefined) expect(said).toContainEqual(one);
        }
      }),
      { numRuns: runs(2000) },
    );
  });

  it('lists the hashes registered last unless they were erased since, and does not touch pictures', () => {
    fc.assert(
      fc.property(fc.array(intents, { maxLength: 12 }), (list) => {
        const { aliases, ...pictures } = all(list);
        expect(pictures).toEqual(all(list.filter(({ type }) => type !== 'alias')));
        const registered = list.filter((one) => one.type === 'alias');
        const last = standing(registered, pictures);
        expect(aliases?.at).toBe(last);
        const candidates = registered.filter((one) => one.at === last).map(({ hashes }) => hashes);
        if (last !== undefined) expect(candidates).toContainEqual(aliases?.hashes);
      }),
      { numRuns: runs(2000) },
    );
  });

  it('is locked as it was asked for last unless it was erased since, and locks touch nothing else', () => {
    fc.assert(
      fc.property(fc.array(intents, { maxLength: 12 }), (list) => {
        const { lock, ...others } = all(list);
        expect(others).toEqual(all(list.filter(({ type }) => type !== 'lock')));
        const asked = list.filter((one) => one.type === 'lock');
        const last = standing(asked, others);
        expect(lock?.at).toBe(last);
        if (last !== undefined) expect(asked).toContainEqual({ type: 'lock', ...lock });
      }),
      { numRuns: runs(2000) },
    );
  });

  it('never shows an erased version, and never points at a missing one', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(intents, describes), { maxLength: 12 }), (list) => {
        const { current, versions: kept } = all(list);
        const alone = list.flatMap((one) => (one.type === 'eraseVersion' ? [one.version] : []));
        expect(kept.filter((one) => alone.includes(one.version))).toEqual([]);
        const erasures = list.filter(({ type }) => type === 'erase').map((one) => one.at);
        expect(kept.every(({ uploadedAt }) => erasures.every((erased) => uploadedAt > erased))).toBe(true);
        expect(current === null || kept.some((one) => one.version === current)).toBe(true);
        expect(kept.length).toBeLessThanOrEqual(HISTORY + 1);
      }),
      { numRuns: runs(2000) },
    );
  });

  it('leaves everything else as it is when a version is erased, but hides the avatar if it was the current one', () => {
    const lists = fc.array(fc.oneof(intents, describes), { maxLength: 12 });
    fc.assert(
      fc.property(lists, soundVersions, (list, { version: name }) => {
        const before = all(list, UNLIMITED);
        const shownAt = before.current === name && before.head ? { shownAt: before.head.at } : {};
        const erasure = { type: 'eraseVersion', at: at(20), version: name, ...shownAt } as const;
        const after = apply(before, erasure, UNLIMITED);
        expect(isErased(after, name)).toBe(true);
        expect({ ...after, erased: undefined }).toEqual({
          ...before,
          erased: undefined,
          versions: before.versions.filter((one) => one.version !== name),
          current: before.current === name ? null : before.current,
        });
      }),
      { numRuns: runs(2000) },
    );
  });

  it('does not show the picture before one that was erased while it waited', () => {
    const a = version('00000000-0002-7000-9000-000000000000', 2);
    const b = version('00000000-0003-7000-9000-000000000000', 3);
    const published = all([
      { type: 'publish', at: at(2), version: a },
      { type: 'eraseVersion', at: at(4), version: b.version, shownAt: at(3) },
    ]);
    expect([published.current, published.versions]).toEqual([null, [a]]);
  });

  it('says which version a removal hid: the one that was shown last and is still there', () => {
    fc.assert(
      fc.property(fc.array(intents, { maxLength: 12 }), (list) => {
        const manifest = all(list, UNLIMITED);
        const hidden = hiddenVersion(manifest)?.version;
        if (manifest.head?.version !== null) expect(hidden).toBeUndefined();
        else {
          const end = endOfErased(manifest) ?? '';
          const shown = list.flatMap((one): { at: string; version: string }[] => {
            if (one.type === 'publish' || one.type === 'restore') {
              return [{ at: one.at, version: one.version.version }];
            }
            return one.type === 'eraseVersion' && one.shownAt !== undefined
              ? [{ at: one.shownAt, version: one.version }]
              : [];
          });
          const ranks = shown.filter((one) => one.at > end).map((one) => `${one.at} ${one.version}`);
          const [, name] = ranks.sort().at(-1)?.split(' ') ?? [];
          const isThere = manifest.versions.some((one) => one.version === name);
          expect(hidden).toBe(isThere ? name : undefined);
        }
      }),
      { numRuns: runs(5000) },
    );
  });

  it('remembers a thousand erased versions, and when each was erased first', () => {
    const name = (n: number) => `00000000-0001-7000-9000-${String(n).padStart(12, '0')}`;
    const list = Array.from({ length: 1001 }, (_, n): Intent => {
      return { type: 'eraseVersion', at: at(n + 2), version: name(n) };
    });
    const erased = list.reduce((manifest, intent) => apply(manifest, intent, 10), emptyManifest('id'));
    const again = apply(erased, { type: 'eraseVersion', at: at(5000), version: name(500) }, 10);
    expect(again.erased).toHaveLength(1000);
    expect(again.erased).toContainEqual({ version: name(500), at: at(502) });
    expect(isErased(again, name(0))).toBe(false);
  });
});

describe('merge', () => {
  it('gives the manifest that all the intents together would have made', () => {
    fc.assert(
      fc.property(
        fc.array(intents, { maxLength: 10 }),
        fc.array(intents, { maxLength: 10 }),
        (one, other) => {
          expect(merge(all(one), all(other), HISTORY)).toEqual(all([...one, ...other]));
        },
      ),
      { numRuns: runs(5000) },
    );
  });

  it('gives it with descriptions as well', () => {
    const lists = fc.array(fc.oneof(intents, describes), { maxLength: 10 });
    fc.assert(
      fc.property(lists, lists, (one, other) => {
        const merged = merge(all(one, UNLIMITED), all(other, UNLIMITED), UNLIMITED);
        expect(merged).toEqual(all([...one, ...other], UNLIMITED));
      }),
      { numRuns: runs(5000) },
    );
  });

  it('does not change a manifest that already knows everything in the other', () => {
    fc.assert(
      fc.property(fc.array(intents, { maxLength: 12 }), fc.nat(12), (list, count) => {
        const older = all(list.slice(0, count));
        expect(merge(older, all(list), HISTORY)).toEqual(all(list));
        expect(merge(all(list), older, HISTORY)).toEqual(all(list));
      }),
      { numRuns: runs(2000) },
    );
  });
});

const second = version('00000000-0002-7000-8000-000000000002', 2);
/** Has every field that there is. */
const full = all([
  { type: 'erase', at: at(0) },
  { type: 'erase', at: at(1), confirms: at(0) },
  { type: 'publish', at: at(2), version: second },
  { type: 'lock', at: at(3), locked: true, reason: 'It comes from the directory.' },
  { type: 'publish', at: at(4), version: version('00000000-0004-7000-8000-000000000004', 4) },
  { type: 'alias', at: at(5), hashes: HASHES },
  { type: 'describe', at: at(6), version: described(second, 'Ada', at(6)) },
  { type: 'eraseVersion', at: at(7), version: '00000000-0003-7000-8000-000000000003' },
  { type: 'remove', at: at(8) },
]);
const OPTIONAL = [
  'rotate',
  'crop',
  'sha256',
  'alt',
  'describedAt',
  'reduced',
  'by',
  'lock',
  'reason',
  'head',
  'hidden',
  'erased',
  'erasedAt',
  'voidUntil',
  'aliases',
];

type Path = readonly (string | number)[];

/** Every field of a value, and of what is in it. */
function pathsIn(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, one]) => {
    const field = [...path, Array.isArray(value) ? Number(name) : name];
    return [field, ...pathsIn(one, field)];
  });
}

const paths = pathsIn(full);
const spell = (path: Path) =>
  path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`))
    .join('')
    .slice(1);

/** A copy of the full manifest with another value in one field; undefined: without the field. */
function changed(path: Path, value: unknown): Buffer {
  const copy = structuredClone(full) as unknown;
  let inner = copy as Record<string | number, unknown>;
  for (const step of path.slice(0, -1)) inner = inner[step] as typeof inner;
  inner[path.at(-1) ?? ''] = value;
  return Buffer.from(JSON.stringify(copy));
}

function refusal(bytes: Buffer): { key: string; reason: string } | undefined {
  try {
    readManifest('id', bytes);
    return undefined;
  } catch (error) {
    if (!(error instanceof ManifestUnreadable)) throw error;
    return { key: error.key, reason: error.reason };
  }
}

/** No field takes these. */
const NEVER = [{}, -1, 0.5, 1e300, 'x'.repeat(100_000), 'a\0', [[]], [null]];
/** Any text may be an alternative text, or a reason, or a name if it is not empty. */
const NO_TEXT = [
  '9999-12-31T23:59:59.999Z',
  '',
  ' ',
  'x',
  '1',
  '2026-01-01',
  '2026-02-30T00:00:00.000Z',
  '2026-01-01T00:00:00Z',
  'id2',
];

function wrongFor(path: Path): unknown[] {
  const name = path.at(-1);
  const isText = ['alt', 'reason', 'name'].includes(String(name));
  const nullable = name === 'current' || spell(path) === 'head.version';
  return [
    ...NEVER,
    ...(isText ? [] : NO_TEXT),
    ...(name === 'animated' || name === 'locked' ? [] : [true, false]),
    ...(name === 'versions' || name === 'hashes' || name === 'erased' ? [] : [[]]),
    ...(nullable ? [] : [null]),
    ...(OPTIONAL.includes(String(name)) ? [] : [undefined]),
  ];
}

describe('readManifest', () => {
  it('reads every manifest that intents can make', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(intents, describes), { maxLength: 12 }), (list) => {
        expect(readManifest('id', writeManifest(all(list)))).toEqual(all(list));
      }),
      { numRuns: runs(2000) },
    );
  });

  it.each(paths.map((path) => [spell(path), path] as const))(
    'refuses a wrong value of %s, and names the field',
    (field, path) => {
      for (const value of wrongFor(path)) {
        const { key, reason } = refusal(changed(path, value)) ?? {};
        expect([value, key, reason]).toEqual([
          value,
          'manifests/id.json',
          expect.stringMatching(new RegExp(`^${field.replace(/[[\].]/g, '\\$&')}[^a-z].*has to be `)),
        ]);
        expect((reason ?? '').length).toBeLessThan(150);
      }
    },
  );

  it('either refuses a manifest or accepts one that all other functions can work with', () => {
    const anywhere = fc.record({ path: fc.constantFrom(...paths), value: fc.jsonValue({ maxDepth: 3 }) });
    let accepted = 0;
    fc.assert(
      fc.property(anywhere, ({ path, value }) => {
        const bytes = changed(path, value);
        if (refusal(bytes) !== undefined) return;
        accepted++;
        const manifest = readManifest('id', bytes);
        currentVersion(manifest);
        const later = instantAfter(manifest, new Date(0));
        expect(isInstant(later)).toBe(true);
        const removed = apply(manifest, { type: 'remove', at: later }, HISTORY);
        expect(readManifest('id', writeManifest(merge(removed, full, HISTORY)))).toMatchObject({ id: 'id' });
      }),
      { numRuns: runs(5000) },
    );
    expect(accepted).toBeGreaterThan(0);
  });

  it.each<[what: string, value: unknown]>([
    ['null', null],
    ['a list', []],
    ['a text', 'manifest'],
    ['that of another avatar', { ...full, id: 'other' }],
    ['a later schema', { ...full, schema: 2 }],
    ['versions that were erased', { ...full, voidUntil: at(2) }],
    ['hashes that were erased', { ...full, versions: [], voidUntil: at(5) }],
    ['an erasure that was repeated before it was done', { ...full, erasedAt: at(1) }],
    ['versions in another order', { ...full, versions: [...full.versions].reverse() }],
    ['a name of a time that no instant can be', { ...full, current: 'ffffffff-ffff-7fff-bfff-ffffffffffff' }],
    ['a version that was erased', { ...full, erased: [{ version: second.version, at: at(7) }] }],
    ['a version twice', { ...full, versions: [full.versions[0], full.versions[0]] }],
  ])('refuses %s', (_, value) => {
    expect(refusal(Buffer.from(JSON.stringify(value)))?.reason).toContain(' has to be ');
  });

  it('refuses anything that is not JSON, and quotes nothing from it', () => {
    expect(refusal(Buffer.from('{"aliases":secret'))).toEqual({
      key: 'manifests/id.json',
      reason: 'it is not JSON',
    });
  });

  it('accepts unknown fields, and keeps them', () => {
    const [newest, ...older] = full.versions;
    const later = { ...full, locked: true, versions: [{ ...newest, frames: [1] }, ...older] };
    expect(readManifest('id', Buffer.from(JSON.stringify(later)))).toEqual(later);
  });

  it("accepts manifests of the first releases: no checksum, and a version name whose time is not the upload's", () => {
    const first = {
      version: '019a0000-0005-7000-8000-000000000000',
      source: 'c'.repeat(64),
      master: 'webp',
      width: 16_383,
      height: 16_383,
      animated: true,
      bytes: 1,
      thumbhash: '3OcRJYB4d3h/iIeHeEh3eIhw+j2w',
      color: '#35a788',
      uploadedAt: new Date(0x19a00000000).toISOString(),
    };
    const head = { at: first.uploadedAt, version: first.version };
    const manifest = { schema: 1, id: 'id', current: first.version, versions: [first], head };
    expect(readManifest('id', Buffer.from(JSON.stringify(manifest)))).toEqual(manifest);
  });
});

describe('writeManifest', () => {
  it('writes nothing that cannot be read again', () => {
    const [newest] = full.versions;
    const damaged = { ...full, versions: [{ ...newest, width: 0 }] } as Manifest;
    expect(() => writeManifest(damaged)).toThrow(
      'versions[0].width has to be a whole number from 1 to 16383',
    );
  });
});

describe('faultOfIntent', () => {
  it('accepts every intent that may wait in an outbox', () => {
    fc.assert(
      fc.property(fc.oneof(intents, describes), (intent) => {
        fc.pre(intent.type !== 'alias');
        expect(faultOfIntent(JSON.parse(JSON.stringify(intent)))).toBeUndefined();
      }),
    );
  });

  it.each<[value: unknown, fault: string]>([
    [null, 'it has to be a publish, restore, describe, remove, lock, eraseVersion or erase'],
    [
      { type: 'constructor', at: at(1) },
      'it has to be a publish, restore, describe, remove, lock, eraseVersion or erase',
    ],
    [{ type: 'remove' }, 'at has to be a time like 2026-01-31T12:00:00.000Z'],
    [
      { type: 'erase', at: at(1), confirms: 'yesterday' },
      'confirms has to be a time like 2026-01-31T12:00:00.000Z',
    ],
    [{ type: 'publish', at: at(2) }, 'version has to be an object'],
    [{ type: 'eraseVersion', at: at(2), version: 'x' }, 'version has to be a UUIDv7'],
    [
      { type: 'restore', at: at(2), version: { ...full.versions[0], bytes: 0.5 } },
      'version.bytes has to be a whole number from 1 to 9007199254740991',
    ],
  ])('says what is wrong with %j', (value, fault) => {
    expect(faultOfIntent(value)).toBe(fault);
  });
});
