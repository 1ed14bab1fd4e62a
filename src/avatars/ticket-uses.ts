import { CodedError } from '../errors.js';
import { timeOfVersion } from '../model/keys.js';
import { type Manifest, type Version, endOfErased, uploadTimes } from '../model/manifest.js';

/**
 * Refuses a ticket that was made before an erasure of the avatar or of one of its versions: what was erased
 * may be what the ticket was used for, or the reason not to accept any more of it.
 * @param ticket its name
 * @throws CodedError `ticket_outdated`
 */
export function assertNoErasureSince(manifest: Manifest, ticket: string): void {
  const { erased = [] } = manifest;
  const end = endOfErased(manifest);
  const erasures = erased.flatMap(({ at, version }) => [Date.parse(at), timeOfVersion(version)]);
  if (end !== undefined) erasures.push(Date.parse(end));
  if (erasures.every((time) => time < timeOfVersion(ticket))) return;
  throw outdated('The avatar, or a picture of it, was erased after this ticket was made.');
}

/**
 * The version that was uploaded with a ticket. Exact if each such version is younger than its ticket, and no
 * ticket is used that an erasure made void.
 * @param ticket its name
 * @param history how many versions are kept
 * @throws CodedError `ticket_outdated` if the manifest may have forgotten it
 */
export function versionUploadedWith(
  manifest: Manifest,
  ticket: string,
  history: number,
): Version | undefined {
  const found = manifest.versions.find(({ by }) => by?.kind === 'ticket' && by.name === ticket);
  if (found) return found;
  // Erased versions keep their place in the history.
  const oldest = uploadTimes(manifest)[history - 1];
  if (oldest === undefined || oldest < timeOfVersion(ticket)) return undefined;
  throw outdated('So many pictures were uploaded after this ticket was made that it may have been used.');
}

/** A second upload with one ticket. */
export function ticketUsed(): CodedError {
  return new CodedError(
    'ticket_used',
    'Another picture was uploaded with this ticket. Get a new one for each upload.',
  );
}

function outdated(why: string): CodedError {
  return new CodedError('ticket_outdated', `${why} Get a new one.`);
}
