import { isDeepStrictEqual } from 'node:util';
import type { Manifest } from '../../../src/model/manifest.js';
import type { Answer, Outgoing } from '../../http/support/client.js';

/** An avatar before a request: two versions, the newer one is current. */
export interface Subject {
  id: string;
  older: string;
  newer: string;
  /** The newer version's master. */
  master: Buffer;
  /** The picture to upload. */
  picture: Buffer;
}

/** The storage after a request, read directly. */
export interface State {
  manifest: Manifest;
  keys: string[];
}

/** One request to the service, and what its answers mean. */
export interface ServiceCall {
  name: string;
  /** The avatar does not exist. */
  absent?: true;
  request(subject: Subject): Outgoing;
  /** A rendition that is still being stored when the answer arrives. */
  keeps?(subject: Subject): string;
  /** The status of success. */
  status: number;
  /** Whether a successful answer is true, and stays true. */
  isTrue(subject: Subject, answer: Answer, state: State): boolean;
  /** Whether a failed request may leave this. */
  mayLeave(subject: Subject, state: State): boolean;
}

const pathOf = ({ id }: Subject) => `/v1/avatars/${id}`;
const json = ({ body }: Answer) => JSON.parse(body.toString()) as Record<string, unknown>;

function isAsBefore({ older, newer }: Subject, { manifest }: State): boolean {
  return manifest.current === newer && isDeepStrictEqual(names(manifest), [newer, older]);
}

function names({ versions }: Manifest): string[] {
  return versions.map(({ version }) => version);
}

const reads: ServiceCall[] = [
  {
    name: 'get',
    request: (subject) => ({ path: pathOf(subject) }),
    status: 200,
    isTrue: ({ master }, { body }) => body.equals(master),
    mayLeave: isAsBefore,
  },
  {
    name: 'get a size that is not there yet',
    request: (subject) => ({ path: `${pathOf(subject)}?size=32&format=webp` }),
    keeps: ({ id, newer }) => `avatars/${id}/${newer}/32.webp`,
    status: 200,
    isTrue: (_, { body }) => isWholeWebp(body),
    mayLeave: isAsBefore,
  },
  {
    name: 'get an immutable rendition',
    request: (subject) => ({ path: `${pathOf(subject)}/${subject.older}/16.png` }),
    keeps: ({ id, older }) => `avatars/${id}/${older}/16.png`,
    status: 200,
    isTrue: (_, { body }) => isWholePng(body),
    mayLeave: isAsBefore,
  },
  {
    name: 'get, absent',
    absent: true,
    request: (subject) => ({ path: pathOf(subject) }),
    status: 404,
    isTrue: (_, answer) => json(answer)['code'] === 'avatar_not_found',
    mayLeave: () => true,
  },
  {
    name: 'exists',
    request: (subject) => ({ path: `${pathOf(subject)}/exists` }),
    status: 200,
    isTrue: (_, answer) => json(answer)['exists'] === true,
    mayLeave: isAsBefore,
  },
  {
    name: 'info',
    request: (subject) => ({ path: `${pathOf(subject)}/info` }),
    status: 200,
    isTrue: ({ newer }, answer) => json(answer)['version'] === newer,
    mayLeave: isAsBefore,
  },
  {
    name: 'url of a size that is not there yet',
    request: (subject) => ({ path: `${pathOf(subject)}/url?size=48&format=png` }),
    keeps: ({ id, newer }) => `avatars/${id}/${newer}/48.png`,
    status: 200,
    isTrue: ({ id, newer }, answer, { keys }) =>
      json(answer)['version'] === newer && keys.includes(`avatars/${id}/${newer}/48.png`),
    mayLeave: isAsBefore,
  },
  {
    name: 'versions',
    request: (subject) => ({ path: `${pathOf(subject)}/versions` }),
    status: 200,
    isTrue: ({ newer }, answer) =>
      json(answer)['current'] === newer && (json(answer)['versions'] as unknown[]).length === 2,
    mayLeave: isAsBefore,
  },
];

const writes: ServiceCall[] = [
  {
    name: 'upload',
    request: (subject) => ({ method: 'PUT', path: pathOf(subject), body: subject.picture }),
    status: 201,
    isTrue: (_, answer, { manifest }) => manifest.current === json(answer)['version'],
    mayLeave: ({ older, newer }, { manifest }) => names(manifest).slice(-2).join() === `${newer},${older}`,
  },
  {
    name: 'upload, the first',
    absent: true,
    request: (subject) => ({ method: 'PUT', path: pathOf(subject), body: subject.picture }),
    status: 201,
    isTrue: (_, answer, { manifest }) => manifest.current === json(answer)['version'],
    mayLeave: (_, { manifest }) => manifest.versions.length <= 1,
  },
  {
    name: 'restore',
    request: (subject) => ({
      method: 'PUT',
      path: `${pathOf(subject)}/current`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ version: subject.older }),
    }),
    status: 200,
    isTrue: ({ older }, _, { manifest }) => manifest.current === older,
    mayLeave: (_, { manifest }) => manifest.current !== null && manifest.versions.length === 2,
  },
  {
    name: 'delete',
    request: (subject) => ({ method: 'DELETE', path: pathOf(subject) }),
    status: 204,
    isTrue: (_, __, { manifest }) => manifest.current === null && manifest.versions.length === 2,
    mayLeave: ({ newer }, { manifest }) =>
      [null, newer].includes(manifest.current) && manifest.versions.length === 2,
  },
  {
    name: 'erase',
    request: (subject) => ({ method: 'DELETE', path: `${pathOf(subject)}?erase=true` }),
    status: 200,
    isTrue: (_, __, { manifest, keys }) => manifest.versions.length === 0 && keys.length === 0,
    // Pictures that are not shown any more, and go when the erasure is repeated.
    mayLeave: (subject, state) =>
      isAsBefore(subject, state) ||
      (state.manifest.versions.length === 0 && state.manifest.erasedAt !== undefined),
  },
];

export const SERVICE_CALLS: ServiceCall[] = [...reads, ...writes];

/** https://developers.google.com/speed/webp/docs/riff_container: the header says how long the rest is. */
function isWholeWebp(bytes: Buffer): boolean {
  return bytes.toString('latin1', 8, 12) === 'WEBP' && bytes.readUInt32LE(4) + 8 === bytes.length;
}

/** https://www.w3.org/TR/png: it ends with the chunk IEND. */
function isWholePng(bytes: Buffer): boolean {
  return (
    bytes.readUInt32BE(0) === 0x89504e47 &&
    bytes.toString('latin1', bytes.length - 8, bytes.length - 4) === 'IEND'
  );
}
