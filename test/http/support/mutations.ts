export type Random = () => number;

export function below(limit: number, random: Random): number {
  return Math.floor(random() * limit);
}

/** Picks one of them. @throws RangeError if there are none */
export function pick<T>(choices: readonly T[], random: Random): T {
  if (choices.length === 0) throw new RangeError('nothing to choose from');
  return choices[below(choices.length, random)] as T;
}

type Mutation = (bytes: Buffer, random: Random, others: readonly Buffer[]) => Buffer;

/** Values at which lengths and sizes tend to go wrong. */
const EDGES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

export const MUTATIONS: readonly Mutation[] = [
  function flip(bytes, random) {
    const flipped = Buffer.from(bytes);
    for (let n = 1 + below(16, random); n > 0; n--) {
      const at = below(bytes.length, random);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << below(8, random));
    }
    return flipped;
  },
  function truncate(bytes, random) {
    return bytes.subarray(0, 1 + below(bytes.length - 1, random));
  },
  function insert(bytes, random) {
    const at = below(bytes.length, random);
    const strange = Buffer.from(Array.from({ length: 1 + below(64, random) }, () => below(256, random)));
    return Buffer.concat([bytes.subarray(0, at), strange, bytes.subarray(at)]);
  },
  function duplicate(bytes, random) {
    const [from, to] = range(bytes, random);
    return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from)]);
  },
  function remove(bytes, random) {
    const [from, to] = range(bytes, random);
    return Buffer.concat([bytes.subarray(0, from), Buffer.of(0), bytes.subarray(to)]);
  },
  function shuffle(bytes, random) {
    const [from, to] = range(bytes, random);
    return Buffer.concat([
      bytes.subarray(0, 12),
      bytes.subarray(to),
      bytes.subarray(12, from),
      bytes.subarray(from, to),
    ]);
  },
  function editLength(bytes, random) {
    const edited = Buffer.from(bytes);
    const at = below(Math.min(200, bytes.length - 4), random);
    const value = pick(EDGES, random);
    if (random() < 0.5) edited.writeUInt32BE(value, at);
    else edited.writeUInt32LE(value, at);
    return edited;
  },
  function editShortLength(bytes, random) {
    const edited = Buffer.from(bytes);
    edited.writeUInt16BE(pick(EDGES, random) & 0xffff, below(bytes.length - 2, random));
    return edited;
  },
  function glue(bytes, random, others) {
    const other = pick(others, random);
    const head = 4 + below(60, random);
    return Buffer.concat([bytes.subarray(0, head), other.subarray(head)]);
  },
];

function range(bytes: Buffer, random: Random): [from: number, to: number] {
  const from = Math.min(12 + below(bytes.length - 12, random), bytes.length - 1);
  return [from, from + 1 + below(Math.min(500, bytes.length - from), random)];
}
