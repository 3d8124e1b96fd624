import { expect, test } from '@jest/globals';
import { createService, type Service } from 'memlane';
import { type Random, withSeed } from '../support/random.ts';
import { scratchFolder } from '../support/scratch.ts';
import { pause } from '../support/speech.ts';
import { CROWD, type Figures, STORM_S, STORM_WATCHDOG_MS, Stage, storms } from '../support/storm.ts';
import { type Answer, ask, type Outcome, type Question } from './service-traffic.ts';

// Servers and clients are killed and stopped at random moments, while one client that lives goes on asking. Each of its requests has
// to be answered by its own answer, or to fail as it may; none may hang, and nothing may be left, in the queue or in the slab.

test(
  'each request is answered, or rejected with a reason',
  () =>
    withSeed(async (random) => {
      await storms('service', STORM_S, (seconds) => storm(random, seconds));
    }),
  STORM_WATCHDOG_MS,
);

const LINES = 8;

async function storm(random: Random, seconds: number): Promise<Figures> {
  using scratch = scratchFolder(random.chance(0.8) ? 'memory' : 'disk');
  const path = scratch.file('storm');
  using service = createService<Question, Answer>(path, {
    capacity: 64,
    requestBytes: 1000,
    replyCapacityBytes: 16_384,
    maxLargeBytes: 4 << 20,
    clients: CROWD + 2,
    servers: CROWD + 2,
  });
  await using stage = new Stage(random, 'service-storm', { path });
  for (const role of ['client', 'server'] as const)
    for (let at = 0; at < CROWD; at++) stage.seat(role, () => ({ role, seed: random.next() }));
  const outcomes: Record<Outcome, number> = { answered: 0, failed: 0, died: 0, timedOut: 0, left: 0 };
  let isOver = false;
  const line = async (number: number): Promise<void> => {
    for (let count = 0; !isOver; count++) outcomes[await ask(service, random, `judge ${number} ${count}`)] += 1;
  };
  try {
    const lines = Promise.all(Array.from({ length: LINES }, (_, number) => line(number)));
    lines.catch(() => {}); // met below
    await stage.rage(seconds);
    await stage.finish('client', 20);
    isOver = true;
    await lines;
    await cleared(service);
  } catch (error) {
    (error as Error).message += `\n${JSON.stringify(service.statistics(), null, 1)}\n${stage.diagnosis()}`;
    throw error;
  }
  expect(outcomes.answered).toBeGreaterThan(0);
  const { kills, stops } = stage;
  return { kills, stops, ...outcomes };
}

/** Waits until nothing is left: what dead clients have asked for is passed over by those who serve, or taken out by those who ask. */
async function cleared(service: Service<Question, Answer>): Promise<void> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    await ask(service, { chance: () => false, below: () => 0 } as unknown as Random, 'last');
    await pause(50);
    service.tidy();
    const { requests, large } = service.statistics();
    const { ready, claimed, returned, dead } = requests;
    const left = { ready, claimed, returned, dead, used: large.used, references: large.references };
    if (Object.values(left).every((count) => count === 0)) return;
    if (performance.now() > deadline) expect(left).toEqual({});
  }
}
