import type { Settings } from '../config/settings.js';
import { openBucket } from '../storage/open-store.js';
import { UsageError } from './command.js';
import { type Seen, filesMatching, objectsMatching } from './import-matching.js';
import { parsePattern } from './import-pattern.js';
import { entriesAt, entriesIn, readableAt } from './import-sources.js';
import type { Entry } from './importer.js';

/** Where the command line says that pictures are. */
export interface SourceOptions {
  /** A path of this machine, or a prefix of the bucket. */
  path: string | undefined;
  /** The settings of the bucket, if they are in one. */
  bucket: Settings | undefined;
  pattern: string | undefined;
}

/**
 * The pictures to import, in groups of which each is worked on in its order.
 * @param maxBytes larger objects of a bucket are not read
 * @throws UsageError
 */
export async function chooseSource(
  { path, bucket, pattern }: SourceOptions,
  maxBytes: number,
): Promise<{ entries: AsyncIterable<readonly Entry[]>; seen?: Seen }> {
  if (path === undefined && (!bucket || pattern === undefined)) {
    throw new UsageError(
      'Name the folder, the list or the prefix to import from. Only --from s3 --pattern needs none.',
    );
  }
  const place = path ?? '';
  const prefix = place.replace(/\/*$/, place === '' ? '' : '/');
  if (pattern === undefined) {
    return { entries: bucket ? entriesIn(openBucket(bucket), prefix, maxBytes) : await entriesAt(place) };
  }
  const parsed = parsePattern(pattern);
  const seen = { matched: 0, older: 0, unmatched: 0 };
  if (bucket) return { entries: objectsMatching(openBucket(bucket), prefix, parsed, maxBytes, seen), seen };
  if (!(await readableAt(place))?.isDirectory()) throw new UsageError(`There is no folder ${place}.`);
  return { entries: filesMatching(place, parsed, seen), seen };
}
