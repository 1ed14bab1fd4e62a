import { type Subject, type Verdict, failure, ok, skipped, warning } from './verdict.js';
import { bucketUrls, fetchAsBrowser } from './web.js';

/** From here on changes of several replicas may come in the wrong order, in ms. */
const NOTICEABLE_MS = 5000;

/** From here on servers may refuse requests and presigned URLs, in ms. The service reports it as well. */
const WRONG_MS = 300_000;

/**
 * Compares this machine's clock with the bucket's, by the Date of an answer. The SDK corrects its own clock
 * by these, so that its calls would not show anything.
 */
export async function checkClock({ settings }: Subject): Promise<Verdict[]> {
  const [url] = await bucketUrls(settings);
  if (url === undefined) return [ok('the storage is on this machine and has its clock')];
  const before = Date.now();
  const answer = await fetchAsBrowser(url, settings);
  const middle = (before + Date.now()) / 2;
  if ('unreachable' in answer)
    return [skipped(`the bucket's clock could not be asked: ${answer.unreachable}`)];
  const date = Date.parse(answer.headers.get('date') ?? '');
  if (Number.isNaN(date)) return [skipped('the server does not say what time it is')];
  // A Date has whole seconds.
  const offsetMs = Math.round(date + 500 - middle);
  const measured = { offsetMs };
  const text = `the bucket's clock is ${seconds(offsetMs)} s ${offsetMs < 0 ? 'behind' : 'ahead of'} this machine's`;
  const advice =
    'Synchronize the clock of this machine by NTP: the later change of an avatar wins, by this clock';
  if (Math.abs(offsetMs) >= WRONG_MS) return [failure(text, advice, measured)];
  if (Math.abs(offsetMs) >= NOTICEABLE_MS) return [warning(text, advice, measured)];
  return [ok(`${text} (it tells whole seconds only)`, measured)];
}

function seconds(ms: number): string {
  return (Math.abs(ms) / 1000).toFixed(1);
}
