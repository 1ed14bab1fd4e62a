/**
 * A life of an avatar by the client. Browsers run it as well, so it uses nothing of Node, nor of Jest. It asks
 * for what `front.ts` may spoil.
 */
import { Visage, VisageError } from '../../clients/typescript/src/index.js';

export interface Setting {
  /** Of the service, or of what stands in front of it. */
  baseUrl: string;
  /** May everything. */
  key: string;
  /** Pictures in Base64, each another one. */
  pictures: [string, string, string];
}

/** What the client said, step by step; the same wherever it runs. */
export async function live({ baseUrl, key, pictures }: Setting): Promise<Record<string, unknown>> {
  const id = 'Alice@x.org';
  const visage = new Visage({ baseUrl, key });
  const [first, second, third] = pictures.map(bytesOf) as [Bytes, Bytes, Bytes];
  const codeOf = (call: Promise<unknown>) =>
    call.then(
      () => 'no error',
      (error: unknown) =>
        error instanceof VisageError ? [error.code, error.forUsers ?? null] : String(error),
    );
  const said: Record<string, unknown> = {};

  said['nothing'] = [await visage.exists(id), await visage.info(id), await visage.url(id)];
  const one = await visage.upload(id, new Blob([first]), { alt: 'Ä picture', ifNone: true });
  said['uploaded'] = [one.id, one.alt, one.width];
  const crop = { x: 0, y: 0, width: 32, height: 32 };
  const two = await visage.upload(id, second, { crop, rotate: 90, ifMatch: one.version });
  said['cropped'] = two.width;
  said['stale'] = await codeOf(visage.upload(id, third, { ifMatch: one.version }));
  said['no picture'] = await codeOf(visage.upload(id, new TextEncoder().encode('Hello.')));
  said['same'] = same(await visage.info(id), two);
  const picture = await visage.get(id, { size: 32, format: 'png' });
  said['picture'] = [picture.headers.get('content-type'), (await picture.arrayBuffer()).byteLength > 100];
  said['URLs'] = await Promise.all(
    [visage.src({ id, size: 32 }), visage.src({ id, size: 32, version: two.version })].map(async (url) => {
      return (await fetch(url)).status;
    }),
  );

  const { avatars } = await visage.lookup({ ids: [id, 'bob', 'x/y'], names: { bob: 'Bob Li' }, sizes: [32] });
  said['looked up'] = Object.values(avatars).map((found) =>
    'error' in found ? found.error.code : found.version === two.version,
  );
  const { hashes } = await visage.setAliases(id, { emails: ['alice@example.org'] });
  said['aliases'] = same((await visage.aliases(id)).hashes, hashes);

  const { ticket } = await visage.ticket(id, { expiresIn: 60 });
  const browser = new Visage({ baseUrl, key: ticket });
  said['locked'] = [
    (await visage.lock(id, 'From the directory.')).locked,
    await codeOf(browser.upload(id, third)),
    (await visage.unlock(id)).locked,
  ];
  const three = await browser.upload(id, third);
  said['used ticket'] = await codeOf(browser.upload(id, first));
  said['removed'] = [await visage.remove(id, { ifMatch: three.version }), await visage.exists(id)];
  said['undone'] = (await visage.undo(id))?.version === three.version;
  said['restored'] = (await visage.restore(id, one.version)).alt;
  said['described'] = (await visage.setAlt(id, null)).alt ?? null;
  said['removed version'] = (await visage.removeVersion(id, two.version)).version === two.version;
  said['history'] = same(
    (await visage.versions(id)).versions.map(({ version }) => version),
    [three.version, one.version],
  );
  said['erased'] = (await visage.erase(id)).pending;
  said['aborted'] = await codeOf(visage.info(id, { signal: AbortSignal.abort('enough') }));
  return said;
}

type Bytes = Uint8Array<ArrayBuffer>;

function bytesOf(base64: string): Bytes {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
