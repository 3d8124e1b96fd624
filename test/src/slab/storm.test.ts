import { expect, test } from '@jest/globals';
import { createSlab, createWorkQueue, decodeReference, type Slab, type WorkQueue } from 'memlane';
import { Program } from '../support/program.ts';
import { type Random, withSeed } from '../support/random.ts';
import { scratchFolder } from '../support/scratch.ts';
import { pause } from '../support/speech.ts';
import { CROWD, type Figures, STORM_S, STORM_WATCHDOG_MS, storms } from '../support/storm.ts';
import { checkPattern } from './pattern.ts';
import { CARRIER, seedOf } from './storm.ts';

/** Takes what is left in the queue; returns how many buffers were whole. */
function drain(slab: Slab, queue: WorkQueue): number {
  using consumer = queue.consumer();
  let whole = 0;
  for (let delivery = consumer.tryTake(); delivery !== null; delivery = consumer.tryTake()) {
    const reference = decodeReference(delivery.view.data, delivery.offset);
    try {
      using buffer = slab.take(reference);
      expect(checkPattern(buffer.data, seedOf(buffer))).toBe(true);
      whole += 1;
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_MEMLANE_STALE' });
    }
    slab.settle(reference);
    delivery.ack();
  }
  return whole;
}

async function storm(random: Random, seconds: number): Promise<Figures> {
  using scratch = scratchFolder(random.pick(['memory', 'disk']));
  const path = scratch.file('slab');
  const queuePath = scratch.file('queue');
  const places = CROWD + 2;
  using slab = createSlab(path, { maxBytes: 2 ** 23, participants: places });
  using queue = createWorkQueue(queuePath, { capacity: 64, messageBytes: 16, producers: places, consumers: places });
  const hire = (): Program => new Program('slab-storm', { path, queue: queuePath, seed: random.next() });
  const crew = Array.from({ length: CROWD }, hire);
  const figures = { kills: 0, sent: 0, whole: 0, stale: 0, refused: 0, left: 0 };
  try {
    await Promise.all(crew.map((program) => program.next('ready')));
    const deadline = performance.now() + seconds * 1000;
    while (performance.now() < deadline || figures.kills < 8) {
      await pause(random.between(20, 200));
      const at = random.below(crew.length);
      const victim = crew[at] as Program;
      expect(victim.running).toBe(true);
      victim.kill();
      figures.kills += 1;
      expect((await victim.end()).signal).toBe('SIGKILL');
      crew[at] = hire();
      await crew[at].next('ready');
    }
    for (const program of crew) {
      program.tell('end');
      const counts = await program.next<Figures>('ended');
      for (const what of ['sent', 'whole', 'stale', 'refused'] as const) figures[what] += counts[what] as number;
      await program.success();
    }
  } finally {
    await Promise.all(crew.map((program) => program[Symbol.asyncDispose]()));
  }
  figures.left = drain(slab, queue);
  slab.sweep();
  // Consigned by those who died before they had sent it.
  slab.settleCarried(CARRIER, () => true);
  expect(slab.holders()).toEqual([]);
  const { used, references } = slab.statistics();
  expect({ used, references }).toEqual({ used: 0, references: 0 });
  // Whatever there was room for, there is room for now.
  using all = slab.tryAcquire(2 ** 22);
  expect(all?.length).toBe(2 ** 22);
  return figures;
}

test(
  'no buffer is lost, torn or another, while those who hold them are killed',
  () =>
    withSeed(async (random) => {
      const figures = await storms('slab', STORM_S, (seconds) => storm(random, seconds));
      expect(figures.whole).toBeGreaterThan(100);
    }),
  STORM_WATCHDOG_MS,
);
