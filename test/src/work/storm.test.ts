import { expect, test } from '@jest/globals';
import { createWorkQueue } from 'memlane';
import { judgeWork, readJournal } from '../ring/storm-journal.ts';
import { type Random, withSeed } from '../support/random.ts';
import { scratchFolder } from '../support/scratch.ts';
import { CROWD, type Figures, STORM_S, STORM_WATCHDOG_MS, Stage, storms } from '../support/storm.ts';

// Producers and consumers, each a process with two threads, are killed and stopped at random moments. Nothing that was
// committed may be missing, nothing may be left, and nothing may come again that was acknowledged. MEMLANE_STORM makes it longer.

test.each([
  { capacity: 4, startPosition: 2 ** 32 - 40 },
  { capacity: 64, startPosition: 2 ** 15 * 64 - 100 },
])(
  'what was committed is handled: %j',
  (shape) =>
    withSeed(async (random) => {
      await storms(`work queue of ${shape.capacity}`, STORM_S / 2, (seconds) => storm(random, shape, seconds));
    }),
  STORM_WATCHDOG_MS,
);

async function storm(random: Random, shape: object, seconds: number): Promise<Figures> {
  using scratch = scratchFolder(random.chance(0.8) ? 'memory' : 'disk');
  const path = scratch.file('storm.work');
  const journals = { producer: scratch.file('produced'), consumer: scratch.file('consumed') };
  using queue = createWorkQueue(path, {
    ...shape,
    messageBytes: 200,
    producers: 2 * CROWD + 1,
    consumers: 2 * CROWD,
    maxDeliveries: Number.POSITIVE_INFINITY,
  });
  // Attached to the last, so that the stream is not over when one producer has ended and the next has not come.
  const keeper = queue.producer();
  await using stage = new Stage(random, 'work-storm', { path, traffic: { seed: random.next(), maxLength: 200 } });
  for (const role of ['producer', 'consumer'] as const)
    for (let at = 0; at < CROWD; at++) stage.seat(role, () => ({ role, journal: journals[role], seed: random.next() }));
  try {
    await stage.rage(seconds);
    await stage.finish('producer', 50);
    keeper.end();
    await stage.ended('consumer');
  } catch (error) {
    (error as Error).message += `\n${JSON.stringify(queue.statistics(), null, 1)}\n${stage.diagnosis()}`;
    throw error;
  }
  // Whom the dead had claimed for themselves is nobody's any more.
  expect(queue.statistics()).toMatchObject({ ready: 0, claimed: 0, returned: 0, dead: 0 });
  const { messages, repeats, producers, consumers } = judgeWork(
    readJournal(journals.consumer),
    readJournal(journals.producer),
  );
  const { kills, stops } = stage;
  expect(messages).toBeGreaterThan(kills); // it was the queue that was under fire, not the start of processes
  return { kills, stops, lives: producers + consumers, messages, repeats };
}
