/** One request to one avatar, as a client saw it; a client's retry is another one. Times are of one monotonic clock, in ms. */
export interface Operation {
  kind: 'upload' | 'restore' | 'delete' | 'read';
  startedAt: number;
  endedAt: number;
  /** `missing`: there is no such version; `unknown`: the connection broke, or the answer was that the storage is away; it may have been done, or still be. */
  outcome: 'done' | 'refused' | 'missing' | 'unknown';
  /**
   * What it made current, or saw: null where that is no picture. Undefined where it is not known: an upload without an answer.
   */
  version?: string | null | undefined;
  /** For a read: which connection it used. */
  connection?: number;
}

/** What is there in the end. */
export interface Final {
  current: string | null;
  /** Newest first. */
  versions: { version: string; uploadedAt: string }[];
  head?: { at: string; version: string | null };
}

/**
 * Holds what clients saw of one avatar against what is there in the end.
 * @returns every contradiction, in words
 */
export function contradictions(history: readonly Operation[], final: Final): string[] {
  const writes = history.filter(({ kind, outcome }) => kind !== 'read' && /done|unknown/.test(outcome));
  const reads = history.filter(({ kind, outcome }) => kind === 'read' && outcome === 'done');
  return [
    ...lostUploads(writes, final),
    ...missingVersions(history),
    ...strangers(writes, final),
    ...wrongCurrent(writes, final),
    ...staleReads(writes, reads),
    ...backInTime(writes, reads),
  ];
}

/** Every upload that was accepted is in the history, under a name of its own. */
function lostUploads(writes: readonly Operation[], { versions }: Final): string[] {
  const kept = new Set<unknown>(versions.map(({ version }) => version));
  const accepted = [...acceptedBy(writes)];
  const twice = accepted.filter((version, i) => accepted.indexOf(version) < i);
  return [
    ...accepted.filter((version) => !kept.has(version)).map((version) => `the upload ${version} is lost`),
    ...twice.map((version) => `two uploads were answered with ${version}`),
  ];
}

/** Clients restore only what was accepted before. */
function missingVersions(history: readonly Operation[]): string[] {
  const missing = history.filter(({ outcome }) => outcome === 'missing');
  return missing.map(({ version }) => `the version ${String(version)} was missing`);
}

/** Every version has a name of its own, and comes from an upload. */
function strangers(writes: readonly Operation[], { versions }: Final): string[] {
  const names = versions.map(({ version }) => version);
  const accepted = new Set(acceptedBy(writes));
  const unknown = writes.filter(({ kind, outcome }) => kind === 'upload' && outcome === 'unknown').length;
  const others = names.filter((name) => !accepted.has(name)).length;
  return [
    ...(new Set(names).size < names.length ? ['a version is there twice'] : []),
    ...(others > unknown ? [`${others} versions come from ${unknown} uploads without an answer`] : []),
  ];
}

/** One is current: the one of the latest intent, and no earlier one than the last writes made so. */
function wrongCurrent(writes: readonly Operation[], { current, versions, head }: Final): string[] {
  const isThere = current === null || versions.some(({ version }) => version === current);
  const [newest] = versions;
  return [
    ...(isThere ? [] : [`current is ${current}, which is not in the history`]),
    ...((head?.version ?? null) === current ? [] : ['current is not what the latest intent says']),
    ...(newest && newest.uploadedAt > (head?.at ?? '') ? ['an upload is later than the latest intent'] : []),
    ...(mayShow(writes, current, Infinity, Infinity) ? [] : [`current is ${current}, which was replaced`]),
  ];
}

/** No read shows what was replaced before the read began. */
function staleReads(writes: readonly Operation[], reads: readonly Operation[]): string[] {
  return reads
    .filter(({ version, startedAt, endedAt }) => !mayShow(writes, version, startedAt, endedAt))
    .map(({ version }) => `a read shows ${String(version)}, which was replaced`);
}

/** On one connection no read shows what was replaced by what an earlier read has shown. */
function backInTime(writes: readonly Operation[], reads: readonly Operation[]): string[] {
  const makes = makesOf(writes);
  const latest = new Map<number | undefined, Operation>();
  return reads.flatMap((read) => {
    const earlier = latest.get(read.connection);
    latest.set(read.connection, read);
    if (!earlier || earlier.version === read.version) return [];
    const sourcesOf = ({ version, endedAt }: Operation) =>
      writes.filter((write) => makes(write, version) && write.startedAt < endedAt);
    const [shown, before] = [sourcesOf(read), sourcesOf(earlier)];
    const isOlder = shown.every((old) => before.every((young) => follows(young, old)));
    return shown.length > 0 && before.length > 0 && isOlder
      ? [
          `a connection saw ${String(earlier.version)}, and then ${String(read.version)}, which it had replaced`,
        ]
      : [];
  });
}

/** Whether this may be what is current for who asks between two times. */
function mayShow(
  writes: readonly Operation[],
  version: string | null | undefined,
  startedAt: number,
  endedAt: number,
): boolean {
  const makes = makesOf(writes);
  const ended = writes.filter((write) => write.outcome === 'done' && write.endedAt < startedAt);
  // What had ended before this one began was replaced by it.
  const lastBegan = Math.max(...ended.map((write) => write.startedAt));
  const nothingYet = ended.length === 0 && version === null;
  return (
    nothingYet ||
    writes.some(
      (write) =>
        makes(write, version) &&
        write.startedAt < endedAt &&
        (write.outcome === 'unknown' || write.endedAt >= lastBegan),
    )
  );
}

/** Whether a write began after another one had ended, so that it is the later one for everybody. */
function follows(later: Operation, earlier: Operation): boolean {
  return later.outcome === 'done' && earlier.outcome === 'done' && later.startedAt > earlier.endedAt;
}

/** @returns whether a write may have made a version current; an upload without an answer, any that is no other's */
function makesOf(
  writes: readonly Operation[],
): (write: Operation, version: string | null | undefined) => boolean {
  const accepted = new Set<unknown>(acceptedBy(writes));
  return (write, version) =>
    write.version === undefined ? version !== null && !accepted.has(version) : write.version === version;
}

function acceptedBy(writes: readonly Operation[]): string[] {
  const accepted = writes.filter(({ kind, outcome }) => kind === 'upload' && outcome === 'done');
  return accepted.map(({ version }) => String(version));
}
