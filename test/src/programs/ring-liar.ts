// Overwrites words of a ring as fast as it can: { path, seed, forMs, shape? }.
import { Region, type RingShape } from 'memlane';
import { locate, type Placed, placesOf } from '../ring/ring-bytes.ts';
import { Random } from '../support/random.ts';
import { parameters, say } from '../support/speech.ts';

const {
  path,
  seed,
  forMs,
  shape = {},
} = parameters<{ path: string; seed: number; forMs: number; shape?: RingShape }>();
const random = new Random(seed);
using region = Region.open(path);
const words = new Int32Array(region.buffer, 0, region.length >> 2);
const { geometry, slots, lanes, cursors, names } = placesOf(shape);
const { dataOffset } = geometry;
const wordOf = (placed: Placed, name: string): number => locate(placed, name).offset >> 2;
const published = lanes.map((lane) => wordOf(lane, 'published'));
const consumed = cursors.flat().map((cursor) => wordOf(cursor, 'consumed'));
const tails = lanes.flatMap((lane) => ['tail', 'tail0', 'tail1'].map((word) => wordOf(lane, word)));
const nameLengths = names.map((name) => wordOf(name, 'nameBytes'));
const others = [
  ...lanes.flatMap((lane) => ['ended', 'turn', 'records0', 'records1', 'reserved'].map((word) => wordOf(lane, word))),
  ...slots.flatMap((slot) => ['state', 'generation', 'parked', 'bell', 'pid'].map((word) => wordOf(slot, word))),
  ...cursors.flat().map((cursor) => wordOf(cursor, 'state')),
  ...names.flatMap((name) => ['retention', 'keptBytes'].map((word) => wordOf(name, word))),
  ...nameLengths,
  ...tails,
];
const records = (region.length - dataOffset) >> 3;

say('lying');
const end = performance.now() + forMs;
let lies = 0;
while (performance.now() < end) {
  // Mostly lengths, for whoever reads one twice must be caught between the two.
  for (let i = 0; i < 20_000; i++) {
    words[(dataOffset >> 2) + 2 * random.below(records)] = random.pick([0, 8, 40, 0x7fffffff, -1, random.next() | 0]);
    lies += 1;
  }
  words[random.pick(others)] = random.next();
  const target = random.pick([...published, ...consumed]);
  words[target] = (words[target] ?? 0) + random.pick([-8, 8, 4, 4096, -4096, 2 ** 31, random.next()]);
  for (let i = 0; i < 20_000; i++) words[(dataOffset >> 2) + 2 * random.below(records)] = random.pick([0, 8, 40]);
  // Set right again, or nobody would get past opening the ring.
  const right = random.next() & -8;
  for (const word of [...published, ...consumed, ...tails]) words[word] = right;
  for (const word of nameLengths) words[word] = 0;
}
say('ended', lies);
