import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createRing } from 'memlane';
import { Program } from '../support/program.ts';
import { withSeed } from '../support/random.ts';
import { type Scratch, scratchFolder } from '../support/scratch.ts';
import { ringState } from './ring-bytes.ts';

/** How often the two sides of a ring go to sleep and must be woken; MEMLANE_PARKS=1000000 for a long night. */
const SLEEPS = Number(process.env.MEMLANE_PARKS ?? 50_000);
/** Without a message for so long, a wake-up was missed. A watchdog: no pause in these programs is near it. */
const STUCK_MS = 20_000;

const ways = [
  { where: 'the event loop', wait: 'event', blocking: false },
  { where: 'a blocked thread', wait: 'park', blocking: true },
] as const;

describe('a sleeper', () => {
  const IDLE_MS = 10_000;
  // While these sleep, the tests below run.
  const idle: { scratch: Scratch; program: Program; since: number; cpuMs: number }[] = [];

  beforeAll(async () => {
    for (const { wait, blocking } of ways) {
      const scratch = scratchFolder();
      const path = scratch.file('idle.ring');
      createRing(path, { capacityBytes: 65536 }).close();
      const program = new Program('ring-sleeper', { path, role: 'consumer', wait, blocking });
      await program.next('attached');
      await new Promise((resolve) => setTimeout(resolve, 300)); // the rest of what starting a process takes
      idle.push({ scratch, program, since: performance.now(), cpuMs: cpuMsOf(program.pid) });
    }
  });

  afterAll(async () => {
    for (const { program, scratch } of idle) {
      await program[Symbol.asyncDispose]();
      scratch[Symbol.dispose]();
    }
  });

  test.each(ways)(
    `misses none of ${SLEEPS} wake-ups in $where`,
    ({ wait }) =>
      withSeed(async (random) => {
        using scratch = scratchFolder();
        const path = scratch.file('parks.ring');
        createRing(path, { capacityBytes: 4096, startPosition: 2 ** 32 - 65536 }).close();
        const start = (role: 'producer' | 'consumer'): Program =>
          new Program('ring-parks', { path, role, wait, sleeps: SLEEPS, seed: random.next() });
        await using producer = start('producer');
        await using consumer = start('consumer');
        try {
          while ((await producer.nextOrEnd('progress', STUCK_MS)) !== undefined);
          await consumer.success(STUCK_MS);
        } catch (error) {
          (error as Error).message += `\n${consumer.diagnosis()}\n${ringState(path)}`;
          throw error;
        }
        const [asProducer] = producer.all<Ending>('ended');
        const [asConsumer] = consumer.all<Ending>('ended');
        expect(asConsumer?.messages).toBe(asProducer?.messages);
        expect((asConsumer?.producer ?? 0) + (asConsumer?.consumer ?? 0)).toBeGreaterThanOrEqual(SLEEPS);
        // Both sides slept, not only one of them all the time.
        expect(asConsumer?.producer).toBeGreaterThan(SLEEPS / 20);
        expect(asConsumer?.consumer).toBeGreaterThan(SLEEPS / 20);
        if (SLEEPS > 100_000) process.stdout.write(`${wait}: ${JSON.stringify(asConsumer)}\n`);
      }),
    60_000 + SLEEPS * 2,
  );

  test.each(ways.map(({ where }, index) => ({ where, index })))(
    'that nobody wakes in $where uses next to no processor time for ten seconds',
    async ({ index }) => {
      const { program, since, cpuMs } = idle[index] as (typeof idle)[number];
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, since + IDLE_MS - performance.now())));
      // Work, not time: 100 slices of a blocked thread and nothing of an event loop, whatever else the machine does.
      const times = (performance.now() - since) / IDLE_MS; // more than one when the tests above took longer
      expect((cpuMsOf(program.pid) - cpuMs) / times).toBeLessThan(100);
      expect(program.all('awake')).toEqual([]);
    },
  );
});

interface Ending {
  readonly messages: number;
  readonly producer: number;
  readonly consumer: number;
}

/** Processor time that all threads of a process have used, at the 10 ms resolution of /proc. */
function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  const ticks = Number(fields[11]) + Number(fields[12]);
  return ticks * 10;
}
