import { describe, expect, test } from '@jest/globals';
import { createWorkQueue } from 'memlane';
import { Event, readJournal } from '../ring/storm-journal.ts';
import { Program } from '../support/program.ts';
import { type Random, withSeed } from '../support/random.ts';
import { type Scratch, scratchFolder } from '../support/scratch.ts';

// Producers and consumers, each a process with two threads, are killed and stopped at random moments. Nothing that was
// committed may be missing, and nothing may be left. MEMLANE_KILLS makes it longer.

const KILLS = Number(process.env.MEMLANE_KILLS ?? 20);
const SEATS = 2;
const PATIENCE_MS = 60_000;

type Role = 'producer' | 'consumer';

test.each([
  { capacity: 4, startPosition: 2 ** 32 - 40 },
  { capacity: 64, startPosition: 2 ** 15 * 64 - 100 },
])(
  'what was committed is handled: %j',
  async (shape) => {
    await withSeed(async (random) => {
      using scratch = scratchFolder();
      const verdict = await storm(random, scratch, shape);
      process.stdout.write(`${JSON.stringify({ ...shape, ...verdict, seed: random.seed })}\n`);
      expect(verdict.messages).toBeGreaterThan(100);
    });
  },
  PATIENCE_MS + 2000 * KILLS,
);

interface Verdict {
  readonly messages: number;
  readonly repeats: number;
  readonly kills: number;
}

async function storm(random: Random, scratch: Scratch, shape: object): Promise<Verdict> {
  const path = scratch.file('storm.work');
  const journals = { producer: scratch.file('produced'), consumer: scratch.file('consumed') };
  const traffic = { seed: random.next(), maxLength: 200 };
  using queue = createWorkQueue(path, { ...shape, messageBytes: 200, maxDeliveries: Number.POSITIVE_INFINITY });
  // Attached to the last, so that the stream is not over when one producer has ended and the next has not come.
  const keeper = queue.producer();
  const seat = (role: Role): Seat =>
    new Seat(() => new Program('work-storm', { path, role, journal: journals[role], traffic }), random);
  const producers = Array.from({ length: SEATS }, () => seat('producer'));
  const consumers = Array.from({ length: SEATS }, () => seat('consumer'));
  const all = [...producers, ...consumers];
  let kills = 0;
  try {
    await Promise.all(all.map((each) => each.enter()));
    while (kills < KILLS) {
      await pause(random.below(60));
      const victim = random.pick(all);
      if (random.chance(0.3)) {
        victim.current.kill('SIGSTOP');
        await pause(random.pick([0, 5, 30, 150]));
        if (random.chance(0.6)) {
          victim.current.kill('SIGCONT');
          continue;
        }
      }
      await victim.replace();
      kills += 1;
    }
    await Promise.all(producers.map((each) => each.replace(50)));
    for (const each of producers) await each.current.next('ended', PATIENCE_MS);
    keeper.end();
    for (const each of consumers) await each.current.next('ended', PATIENCE_MS);
  } catch (error) {
    const { ready, claimed, returned } = queue.statistics();
    const left = JSON.stringify({ ready, claimed, returned });
    (error as Error).message += `\n${left}\n${all.map(({ current }) => current.diagnosis()).join('\n')}`;
    throw error;
  } finally {
    for (const each of all) await each[Symbol.asyncDispose]();
  }
  expect(queue.statistics()).toMatchObject({ ready: 0, claimed: 0, returned: 0, dead: 0 });
  return { ...judge(readJournal(journals.producer), readJournal(journals.consumer), kills), kills };
}

/** Every message that was committed was handled, and not more often than deaths explain. */
function judge(
  produced: ReturnType<typeof readJournal>,
  consumed: ReturnType<typeof readJournal>,
  kills: number,
): Omit<Verdict, 'kills'> {
  const times = new Map<number, number>();
  for (const { event, value } of consumed) if (event === Event.handled) times.set(value, (times.get(value) ?? 0) + 1);
  const committed = produced.filter(({ event }) => event === Event.committed).map(({ value }) => value);
  const missing = committed.filter((key) => !times.has(key));
  if (missing.length > 0) throw new Error(`${missing.length} messages were never handled: ${missing.slice(0, 10)}`);
  let repeats = 0;
  for (const count of times.values()) repeats += count - 1;
  // Who dies between the journal and the acknowledgement: one message on each thread, four where some are kept.
  if (repeats > 8 * kills) throw new Error(`${repeats} messages came again, with ${kills} deaths`);
  return { messages: times.size, repeats };
}

let lives = 0;

/** A place in the storm: who plays it now, and who stands by, so that a kill costs no start of a process. */
class Seat implements AsyncDisposable {
  current: Program;
  readonly #hire: () => Program;
  readonly #random: Random;
  #understudy: Program;

  constructor(hire: () => Program, random: Random) {
    this.#hire = hire;
    this.#random = random;
    this.#understudy = hire();
    this.current = this.#understudy;
  }

  /** The one who stands by comes on; a producer writes without end, or `count` messages and the end. */
  async enter(count = 0): Promise<void> {
    this.current = this.#understudy;
    this.#understudy = this.#hire();
    await this.current.next('ready');
    this.current.tell(`${this.#random.next()} ${lives++} ${count}`);
  }

  async replace(count = 0): Promise<void> {
    this.current.kill();
    expect(await this.current.end()).toEqual({ code: null, signal: 'SIGKILL' });
    await this.enter(count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.current[Symbol.asyncDispose]();
    await this.#understudy[Symbol.asyncDispose]();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

describe('the judge of the storm', () => {
  const entry = (event: (typeof Event)[keyof typeof Event], value: number): { event: typeof event; value: number } => ({
    event,
    value,
  });

  test('finds a message that is missing, and one that comes too often', () => {
    const committed = [entry(Event.committed, 1), entry(Event.committed, 2)];
    const handled = [entry(Event.handled, 1), entry(Event.handled, 2), entry(Event.handled, 3)];
    expect(judge(committed, handled, 0)).toEqual({ messages: 3, repeats: 0 });
    expect(() => judge(committed, handled.slice(1), 0)).toThrow('never handled: 1');
    expect(() => judge(committed, [...handled, entry(Event.handled, 2)], 0)).toThrow('came again');
  });
});
