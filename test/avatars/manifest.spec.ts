import fc from 'fast-check';
import { type Intent, type Version, apply, emptyManifest, merge } from '../../src/avatars/manifest.js';

const HISTORY = 3;
const at = (tick: number) => new Date(tick).toISOString();

function version(name: string, tick: number): Version {
  const facts = {
    source: '',
    master: 'jpeg',
    width: 1,
    height: 1,
    animated: false,
    bytes: 1,
    thumbhash: '',
  } as const;
  return { ...facts, version: name, color: '#000000', uploadedAt: at(tick) };
}

/** Versions whose time of upload follows from their name, so that one version is the same in every intent. */
const versions = fc
  .integer({ min: 1, max: 12 })
  .map((tick) => version(`v${String(tick % 5)}-${String(tick)}`, tick));
const intents = fc.oneof(
  versions.map((one): Intent => ({ type: 'publish', at: one.uploadedAt, version: one })),
  fc.record({ one: versions, later: fc.nat(6) }).map(({ one, later }): Intent => {
    return { type: 'restore', at: at(Date.parse(one.uploadedAt) + later), version: one };
  }),
  fc.integer({ min: 1, max: 14 }).map((tick): Intent => ({ type: 'remove', at: at(tick) })),
  fc.integer({ min: 1, max: 14 }).map((tick): Intent => ({ type: 'erase', at: at(tick) })),
  fc
    .record({ tick: fc.integer({ min: 1, max: 14 }), hashes: fc.subarray(['a', 'b', 'c']) })
    .map(({ tick, hashes }): Intent => ({ type: 'alias', at: at(tick), hashes })),
);
const all = (list: readonly Intent[]) =>
  list.reduce((manifest, intent) => apply(manifest, intent, HISTORY), emptyManifest('id'));

describe('apply', () => {
  it('gives the same manifest in whatever order, and however often, intents arrive', () => {
    const orders = fc
      .array(intents, { maxLength: 12 })
      .chain((list) =>
        fc.tuple(
          fc.constant(list),
          fc.shuffledSubarray(list, { minLength: list.length }),
          fc.shuffledSubarray(list),
        ),
      );
    fc.assert(
      fc.property(orders, ([list, shuffled, repeated]) => {
        expect(all([...shuffled, ...repeated])).toEqual(all(list));
      }),
      { numRuns: 5000 },
    );
  });

  it('lists the hashes that were registered last, unless an erasure came up to then, and touches no picture', () => {
    fc.assert(
      fc.property(fc.array(intents, { maxLength: 12 }), (list) => {
        const { aliases, ...pictures } = all(list);
        expect(pictures).toEqual(all(list.filter(({ type }) => type !== 'alias')));
        const registered = list.filter((one) => one.type === 'alias');
        const last = registered
          .map((one) => one.at)
          .sort()
          .at(-1);
        const stays = last !== undefined && (pictures.erasedAt === undefined || last > pictures.erasedAt);
        expect(aliases?.at).toBe(stays ? last : undefined);
        const candidates = registered.filter((one) => one.at === last).map(({ hashes }) => hashes);
        if (stays) expect(candidates).toContainEqual(aliases?.hashes);
      }),
      { numRuns: 2000 },
    );
  });

  it('never shows what an erasure removed, nor points at what is not there', () => {
    fc.assert(
      fc.property(fc.array(intents, { maxLength: 12 }), (list) => {
        const { current, versions: kept, erasedAt } = all(list);
        expect(kept.every(({ uploadedAt }) => erasedAt === undefined || uploadedAt > erasedAt)).toBe(true);
        expect(current === null || kept.some((one) => one.version === current)).toBe(true);
        expect(kept.length).toBeLessThanOrEqual(HISTORY + 1);
      }),
    );
  });
});

describe('merge', () => {
  it('gives the manifest that the intents of both would have made', () => {
    fc.assert(
      fc.property(
        fc.array(intents, { maxLength: 10 }),
        fc.array(intents, { maxLength: 10 }),
        (one, other) => {
          expect(merge(all(one), all(other), HISTORY)).toEqual(all([...one, ...other]));
        },
      ),
      { numRuns: 5000 },
    );
  });

  it('leaves a manifest as it is that knows more than the other', () => {
    fc.assert(
      fc.property(fc.array(intents, { maxLength: 12 }), fc.nat(12), (list, count) => {
        const older = all(list.slice(0, count));
        expect(merge(older, all(list), HISTORY)).toEqual(all(list));
        expect(merge(all(list), older, HISTORY)).toEqual(all(list));
      }),
      { numRuns: 2000 },
    );
  });
});
