import { type RaceResult, everyWriteHeld, raceToCreate, raceToReplace } from '../../storage/trials/races.js';
import { ONE_REPLICA } from './conditional-writes.js';
import { type Subject, type Verdict, failure, ok, plural, warning } from './verdict.js';

const WRITERS = 8;

/**
 * Lets writers race over two stores that know nothing of one another, half of the time for each kind of
 * conditional write.
 */
export async function checkRaces({ stores, seconds }: Subject): Promise<Verdict[]> {
  const half = () => ({ until: AbortSignal.timeout(seconds * 500), writers: WRITERS });
  const create = await raceToCreate(stores, half());
  const replace = await raceToReplace(stores, half());
  const measured = { seconds, writers: WRITERS, create, replace };
  const rounds = create.rounds + replace.rounds;
  const races = `${rounds} races of ${WRITERS} writers in ${seconds} s`;
  if (!everyWriteHeld(create) || !everyWriteHeld(replace)) {
    const found = [...faultsOf('if absent', create), ...faultsOf('if the etag matches', replace)];
    return [failure(`${races}: ${found.join('; ')}`, ONE_REPLICA, measured)];
  }
  const unanswered = create.unanswered + replace.unanswered;
  if (unanswered > 0) {
    const advice =
      'Look at the load of the server, and at the network. Visage reads back what became of such a write';
    return [
      warning(
        `${races}: they hold, but ${plural(unanswered, 'write')} got no answer in time`,
        advice,
        measured,
      ),
    ];
  }
  return [ok(`they hold: ${races}, and one winner in each`, measured)];
}

function faultsOf(kind: string, { rounds, severalWinners, noWinner, lostWinner }: RaceResult): string[] {
  return [
    ...(severalWinners > 0 ? [`${severalWinners} of ${rounds} had several winners (${kind})`] : []),
    ...(noWinner > 0 ? [`${noWinner} of ${rounds} had none (${kind})`] : []),
    ...(lostWinner > 0 ? [`${lostWinner} of ${rounds} lost what the winner wrote (${kind})`] : []),
  ];
}
