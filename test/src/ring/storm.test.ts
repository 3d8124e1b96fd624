import { expect, test } from '@jest/globals';
import { createRing, openRing, type RingShape } from 'memlane';
import { type Random, withSeed } from '../support/random.ts';
import { scratchFolder } from '../support/scratch.ts';
import { CROWD, type Figures, STORM_S, STORM_WATCHDOG_MS, Stage, storms } from '../support/storm.ts';
import { judge, judgeMany, readJournal } from './storm-journal.ts';

// Producers and consumers of one ring are killed and stopped at random moments. Nothing that was committed may be missing,
// and nothing may come twice that was surely advanced over. MEMLANE_STORM makes it longer.

const WAYS = {
  'only producer': ['blocking:spin', 'blocking:park', 'awaiting:event', 'awaiting:adaptive'],
  producer: ['blocking:park', 'blocking:adaptive', 'awaiting:event', 'awaiting:adaptive'],
  consumer: ['blocking:park', 'blocking:adaptive', 'awaiting:event', 'awaiting:adaptive', 'iterating:adaptive'],
} as const;

interface Kind {
  readonly name: string;
  readonly shape: RingShape;
  readonly producers: number;
  readonly consumers: number;
  /** Its producers resize it, up to capacityBytes * 2^levels. */
  readonly levels?: number;
}

// One place more for a producer than there are: the judge has it, so that the stream does not end before he says so.
const kinds: readonly Kind[] = [
  { name: 'spsc', shape: {}, producers: 1, consumers: 1 },
  { name: 'mpsc', shape: { topology: 'mpsc', producers: CROWD + 1 }, producers: CROWD, consumers: 1 },
  { name: 'broadcast', shape: { topology: 'broadcast', consumers: CROWD }, producers: 1, consumers: CROWD },
  {
    name: 'bus',
    shape: { topology: 'bus', producers: CROWD + 1, consumers: CROWD },
    producers: CROWD,
    consumers: CROWD,
  },
  {
    name: 'broadcast that grows',
    shape: { topology: 'broadcast', consumers: CROWD },
    producers: 1,
    consumers: CROWD,
    levels: 3,
  },
  {
    name: 'bus that grows',
    shape: { topology: 'bus', producers: CROWD + 1, consumers: CROWD },
    producers: CROWD,
    consumers: CROWD,
    levels: 2,
  },
];

test.each(kinds)(
  'nothing is lost, reordered or changed, and nothing comes twice that was advanced over: $name',
  (kind) =>
    withSeed(async (random) => {
      await storms(kind.name, STORM_S, (seconds) => storm(random, kind, seconds));
    }),
  STORM_WATCHDOG_MS,
);

/** A storm over one ring; then a verdict for each place of a consumer. */
async function storm(
  random: Random,
  { shape, producers, consumers, levels = 0 }: Kind,
  seconds: number,
): Promise<Figures> {
  using scratch = scratchFolder(random.chance(0.8) ? 'memory' : 'disk');
  const path = scratch.file('storm.ring');
  const capacityBytes = random.pick([4096, 8192, 16384]);
  const startPosition = random.pick([0, 2 ** 31 - 4096, 2 ** 32 - 4096]);
  createRing(path, { ...shape, capacityBytes, maxCapacityBytes: capacityBytes << levels, startPosition }).close();
  using ring = openRing(path);
  const names = Array.from({ length: consumers }, (_, at) => `reader ${at}`);
  const isNamed = shape.topology === 'broadcast' || shape.topology === 'bus';
  // The names are there before the first message.
  if (isNamed) for (const name of names) ring.consumer({ name }).close();
  const anchor = producers > 1 ? ring.producer() : undefined;
  const written = scratch.file('produced');
  const read = names.map((_, at) => scratch.file(`consumed-${at}`));
  await using stage = new Stage(random, 'ring-storm', {
    path,
    levels,
    traffic: { seed: random.next(), maxLength: 1000 },
  });
  const part = (role: 'producer' | 'consumer', journal: string | undefined, reading = {}): void => {
    const ways = WAYS[role === 'producer' && producers === 1 ? 'only producer' : role];
    stage.seat(role, () => ({ role, journal, reading, way: random.pick(ways), seed: random.next() }));
  };
  for (let at = 0; at < producers; at++) part('producer', written);
  for (const [at, name] of names.entries()) part('consumer', read[at], isNamed ? { name } : {});
  try {
    await stage.rage(seconds);
    await stage.finish('producer', 50);
    anchor?.end();
    await stage.ended('consumer');
  } catch (error) {
    (error as Error).message += `\n${JSON.stringify(ring.statistics(), null, 1)}\n${stage.diagnosis()}`;
    throw error;
  }
  const { kills, stops } = stage;
  const total = { kills, stops, lives: 0, messages: 0, repeats: 0 };
  // One life after the other has an order between lives, too.
  const verdictOn = producers > 1 ? judgeMany : judge;
  for (const journal of read) {
    const verdict = verdictOn(readJournal(journal), readJournal(written));
    total.messages += verdict.messages;
    total.repeats += verdict.repeats;
    total.lives += verdict.consumers + verdict.producers / read.length;
    expect(verdict.messages).toBeGreaterThan(kills); // it was the ring that was under fire, not the start of processes
  }
  return total;
}
