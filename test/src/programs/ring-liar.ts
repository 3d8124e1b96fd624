// Overwrites words of a ring as fast as it can: { path, seed, forMs }.
import { Region } from 'memlane';
import { CONSUMER, cursor, dataOffset, lane, locate, PRODUCER, slot } from '../ring/ring-bytes.ts';
import { Random } from '../support/random.ts';
import { parameters, say } from '../support/speech.ts';

const { path, seed, forMs } = parameters<{ path: string; seed: number; forMs: number }>();
const random = new Random(seed);
using region = Region.open(path);
const words = new Int32Array(region.buffer, 0, region.length >> 2);
const published = locate(lane, 'published').offset >> 2;
const consumed = locate(cursor, 'consumed').offset >> 2;
const others = [
  locate(lane, 'ended'),
  ...[PRODUCER, CONSUMER].flatMap((index) =>
    ['state', 'generation', 'parked', 'bell', 'pid'].map((word) => locate(slot(index), word)),
  ),
].map(({ offset }) => offset >> 2);
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
  const target = random.pick([published, consumed]);
  words[target] = (words[target] ?? 0) + random.pick([-8, 8, 4, 4096, -4096, 2 ** 31, random.next()]);
  for (let i = 0; i < 20_000; i++) words[(dataOffset >> 2) + 2 * random.below(records)] = random.pick([0, 8, 40]);
  // Set right again, or nobody would get past opening the ring.
  words[consumed] = words[published] = random.next() & -8;
}
say('ended', lies);
