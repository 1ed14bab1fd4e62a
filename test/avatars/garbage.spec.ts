import { type GarbageRules, collectable } from '../../src/model/garbage.js';
import { apply } from '../../src/model/intents.js';
import { type Version, emptyManifest } from '../../src/model/manifest.js';
import { fc } from '../support/properties.js';

const GRACE = 1000;
const START = Date.parse('2026-01-01T00:00:00Z');

/** A version that was uploaded so many ms after the start, with its name. */
function versionAt(ms: number): Version {
  const hex = (START + ms).toString(16).padStart(12, '0');
  const version = `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
  const facts = {
    source: '',
    width: 1,
    height: 1,
    animated: false,
    bytes: 1,
    thumbhash: '',
    color: '#000000',
  };
  return { ...facts, version, master: 'jpeg', uploadedAt: new Date(START + ms).toISOString() };
}

const object = (name: string, ms: number) => ({
  key: `avatars/id/${name}`,
  size: 1,
  modifiedAt: new Date(START + ms),
});
const masterOf = (ms: number) => object(`${versionAt(ms).version}/master.jpeg`, ms);
const rules = (ms: number, history = 2): GarbageRules => ({ now: START + ms, graceMs: GRACE, history });
const published = (times: readonly number[], history = 2) =>
  times.reduce(
    (manifest, ms) =>
      apply(manifest, { type: 'publish', at: versionAt(ms).uploadedAt, version: versionAt(ms) }, history),
    emptyManifest('id'),
  );

describe('collectable', () => {
  it('takes a version that was never published, when it is old enough', () => {
    const objects = [masterOf(0), object(`${versionAt(0).version}/64.webp`, 50)];
    expect(collectable(objects, emptyManifest('id'), rules(1040))).toEqual([]);
    expect(collectable(objects, emptyManifest('id'), rules(1051))).toEqual(objects.map(({ key }) => key));
  });

  it('counts the grace period of a version that left the history from the upload that pushed it out', () => {
    const times = [0, 10, 5000];
    const objects = times.map(masterOf);
    expect(collectable(objects, published(times), rules(5900))).toEqual([]);
    expect(collectable(objects, published(times), rules(6001))).toEqual([masterOf(0).key]);
  });

  it('takes erased versions at once, and files of the older service only after an erasure', () => {
    const legacy = object(`${versionAt(0).version}.jpg`, 0);
    expect(collectable([legacy], emptyManifest('id'), rules(99_999))).toEqual([]);
    const erased = apply(published([0]), { type: 'erase', at: versionAt(5).uploadedAt }, 2);
    expect(collectable([masterOf(0), legacy, masterOf(7)], erased, rules(10))).toEqual([
      masterOf(0).key,
      legacy.key,
    ]);
  });

  it('takes a version that was erased alone at once, which keeps its place in the history', () => {
    const { version } = versionAt(10);
    const erased = apply(
      published([0, 10]),
      { type: 'eraseVersion', at: versionAt(20).uploadedAt, version },
      2,
    );
    expect(collectable([masterOf(0), masterOf(10)], erased, rules(25))).toEqual([masterOf(10).key]);
    // This one pushes the oldest out of the history.
    const later = apply(
      erased,
      { type: 'publish', at: versionAt(5000).uploadedAt, version: versionAt(5000) },
      2,
    );
    const objects = [masterOf(0), masterOf(5000)];
    expect(collectable(objects, later, rules(5900))).toEqual([]);
    expect(collectable(objects, later, rules(6001))).toEqual([masterOf(0).key]);
  });

  it('never takes a version that the manifest names, or one that is younger than the grace period', () => {
    const times = fc.uniqueArray(fc.nat(5000), { maxLength: 8 });
    fc.assert(
      fc.property(
        times,
        fc.nat(8),
        fc.integer({ min: 1, max: 4 }),
        fc.nat(9000),
        (all, named, history, now) => {
          const manifest = published(all.slice(0, named), history);
          const garbage = collectable(all.map(masterOf), manifest, rules(now, history));
          const kept = manifest.versions.map(({ version }) => version);
          expect(garbage.filter((key) => kept.some((version) => key.includes(version)))).toEqual([]);
          const young = all.filter((ms) => now - ms <= GRACE).map((ms) => masterOf(ms).key);
          expect(garbage.filter((key) => young.includes(key))).toEqual([]);
        },
      ),
    );
  });

  it('is final: garbage stays garbage, whatever is uploaded later', () => {
    const times = fc.uniqueArray(fc.nat(3000), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(times, fc.nat(8), (all, named) => {
        const manifest = published(all.slice(0, named));
        const garbage = collectable(all.map(masterOf), manifest, rules(4500));
        const later = published([...all.slice(0, named), 4600]);
        const again = collectable([...all, 4600].map(masterOf), later, rules(9000));
        expect(again).toEqual(expect.arrayContaining(garbage));
      }),
    );
  });
});
