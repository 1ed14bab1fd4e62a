import { v7 as uuidv7 } from 'uuid';
import { assertNoErasureSince, versionUploadedWith } from '../../src/avatars/ticket-uses.js';
import { type Intent, apply } from '../../src/model/intents.js';
import { timeOfVersion } from '../../src/model/keys.js';
import { type Manifest, emptyManifest, instantAfter } from '../../src/model/manifest.js';
import { runs } from '../support/programme.js';
import { fc } from '../support/properties.js';
import { PICTURE } from './support.js';

const HISTORY = 3;
const TICKETS = 3;
const START = Date.parse('2026-01-01T00:00:00.000Z');
/** How far the clocks of replicas, and the arrival of what waited in an outbox, may be off. */
const OFF_MS = 40;

const at = (ms: number) => new Date(START + ms).toISOString();

function published(uploadedAt: string, ticket: string | undefined): Intent {
  const version = {
    version: uuidv7({ msecs: Date.parse(uploadedAt) }),
    ...PICTURE,
    ...(ticket !== undefined && { by: { kind: 'ticket', name: ticket } as const }),
    uploadedAt,
  } as const;
  return { type: 'publish', at: uploadedAt, version };
}

/** The one change that a service would make, or why it would not. */
function uploadWith(manifest: Manifest, ticket: string, nowMs: number): Intent | 'used' | 'outdated' {
  try {
    assertNoErasureSince(manifest, ticket);
    if (versionUploadedWith(manifest, ticket, HISTORY)) return 'used';
  } catch {
    return 'outdated';
  }
  const now = Math.max(START + nowMs, timeOfVersion(ticket));
  return published(instantAfter(manifest, new Date(now)), ticket);
}

const off = fc.integer({ min: -OFF_MS, max: OFF_MS });
const which = fc.nat(TICKETS - 1);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('upload' as const), ticket: which, off }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('by key' as const), off }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('make a ticket' as const), ticket: which, off }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('erase a version' as const), which, off }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('erase' as const), off }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('remove' as const), off }) },
);

describe('a ticket', () => {
  it('publishes one version at most, whatever happens to that, by whichever clocks', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let manifest = emptyManifest('id');
        const uses = new Map<string, number>();
        const tickets = Array.from({ length: TICKETS }, () => uuidv7({ msecs: START }));
        steps.forEach((one, i) => {
          const nowMs = 100 + i * 10;
          const intent = intentOf(one, nowMs + one.off);
          if (intent) manifest = apply(manifest, intent, HISTORY);
        });
        expect([...uses.values()].filter((count) => count > 1)).toEqual([]);

        function intentOf(one: (typeof steps)[number], ms: number): Intent | undefined {
          if (one.type === 'make a ticket') {
            tickets[one.ticket] = uuidv7({ msecs: START + ms });
            return undefined;
          }
          if (one.type === 'upload') {
            const ticket = tickets[one.ticket] ?? '';
            const intent = uploadWith(manifest, ticket, ms);
            if (typeof intent === 'string') return undefined;
            uses.set(ticket, (uses.get(ticket) ?? 0) + 1);
            return intent;
          }
          // These may have waited in an outbox: their times say nothing about the manifest.
          if (one.type === 'by key') return published(at(ms), undefined);
          if (one.type === 'erase') return { type: 'erase', at: at(ms) };
          if (one.type === 'remove') return { type: 'remove', at: at(ms) };
          const { version } = manifest.versions[one.which] ?? {};
          return version === undefined ? undefined : { type: 'eraseVersion', at: at(ms), version };
        }
      }),
      { numRuns: runs(10_000) },
    );
  });

  const [before, made, after] = [at(10), uuidv7({ msecs: START + 20 }), at(30)];
  const manifestOf = (...intents: Intent[]) =>
    intents.reduce((manifest, intent) => apply(manifest, intent, HISTORY), emptyManifest('id'));

  it('is void after an erasure only', () => {
    const erased = (time: string) => manifestOf(published(at(5), undefined), { type: 'erase', at: time });
    expect(() => {
      assertNoErasureSince(erased(before), made);
    }).not.toThrow();
    expect(() => {
      assertNoErasureSince(erased(after), made);
    }).toThrow(/erased/);
  });

  it('is void once as many versions as are kept are younger, and not one earlier', () => {
    const younger = (count: number) =>
      manifestOf(
        published(before, undefined),
        ...Array.from({ length: count }, (_, i) => published(at(30 + i), undefined)),
      );
    expect(versionUploadedWith(younger(HISTORY - 1), made, HISTORY)).toBeUndefined();
    expect(() => versionUploadedWith(younger(HISTORY), made, HISTORY)).toThrow(/may have been used/);
  });
});
