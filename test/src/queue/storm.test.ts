import { expect, test } from '@jest/globals';
import { createQueue } from 'memlane';
import { judgeWork, readJournal } from '../ring/storm-journal.ts';
import { type Random, withSeed } from '../support/random.ts';
import { scratchFolder } from '../support/scratch.ts';
import { CROWD, type Figures, STORM_S, STORM_WATCHDOG_MS, Stage, storms } from '../support/storm.ts';

// Senders and receivers of values, short and long, are killed and stopped at random moments. Nothing that was sent may be missing or
// torn, nothing may be left, in the queue or in the slab, and nothing may come again that was acknowledged.

test(
  'what was sent is received, and its memory given back',
  () =>
    withSeed(async (random) => {
      await storms('queue', STORM_S, (seconds) => storm(random, seconds));
    }),
  STORM_WATCHDOG_MS,
);

async function storm(random: Random, seconds: number): Promise<Figures> {
  using scratch = scratchFolder(random.chance(0.8) ? 'memory' : 'disk');
  const path = scratch.file('storm');
  const journals = { producer: scratch.file('sent'), consumer: scratch.file('received') };
  using queue = createQueue(path, {
    capacity: 64,
    messageBytes: 1000,
    maxLargeBytes: 1 << 20,
    producers: CROWD + 1,
    consumers: CROWD + 1,
    maxDeliveries: Number.POSITIVE_INFINITY,
  });
  // Attached to the last, so that the stream is not over when one sender has ended and the next has not come.
  queue.trySend({ key: 0, data: new Uint8Array() });
  queue.tryReceive()?.ack();
  const traffic = { seed: random.next(), maxLength: 20_000 };
  await using stage = new Stage(random, 'queue-storm', { path, traffic });
  for (const role of ['producer', 'consumer'] as const)
    for (let at = 0; at < CROWD; at++) stage.seat(role, () => ({ role, journal: journals[role], seed: random.next() }));
  try {
    await stage.rage(seconds);
    await stage.finish('producer', 20);
    queue.end();
    await stage.ended('consumer');
  } catch (error) {
    (error as Error).message += `\n${JSON.stringify(queue.statistics(), null, 1)}\n${stage.diagnosis()}`;
    throw error;
  }
  queue.tidy();
  const { messages: left, large } = queue.statistics();
  expect(left).toMatchObject({ ready: 0, claimed: 0, returned: 0, dead: 0 });
  expect(large).toMatchObject({ used: 0, references: 0 });
  const { messages, repeats, producers, consumers } = judgeWork(
    readJournal(journals.consumer),
    readJournal(journals.producer),
  );
  const { kills, stops } = stage;
  return { kills, stops, lives: producers + consumers, messages, repeats };
}
