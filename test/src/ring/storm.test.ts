import { describe, expect, test } from '@jest/globals';
import { createRing } from 'memlane';
import { Program } from '../support/program.ts';
import { type Random, withSeed } from '../support/random.ts';
import { scratchFolder } from '../support/scratch.ts';
import { ringState } from './ring-bytes.ts';
import { type Entry, Event, judge, packKey, readJournal, type Verdict } from './storm-journal.ts';

/** How many processes are killed; MEMLANE_KILLS=1000 for a long storm. */
const KILLS = Number(process.env.MEMLANE_KILLS ?? 60);
/** A ring of its own for so many, so that journals stay short. */
const KILLS_A_RING = 50;

const WAYS = {
  producer: ['blocking:spin', 'blocking:park', 'blocking:adaptive', 'awaiting:event', 'awaiting:adaptive'],
  consumer: ['blocking:spin', 'blocking:park', 'blocking:adaptive', 'awaiting:event', 'iterating:adaptive'],
} as const;
type Role = keyof typeof WAYS;

test(
  `no message is lost, reordered or changed by ${KILLS} kills`,
  () =>
    withSeed(async (random) => {
      const total = { messages: 0, repeats: 0 };
      for (let killed = 0; killed < KILLS; killed += KILLS_A_RING) {
        const kills = Math.min(KILLS_A_RING, KILLS - killed);
        const { messages, repeats, consumers } = await storm(random, kills);
        total.messages += messages;
        total.repeats += repeats;
        expect(messages).toBeGreaterThan(kills); // it was the ring that was under fire, not the start of processes
        expect(consumers).toBeGreaterThan(1);
      }
      if (KILLS > 100) process.stdout.write(`${KILLS} kills: ${JSON.stringify(total)}\n`);
    }),
  60_000 + KILLS * 5_000,
);

/** Writers and readers of one ring, of whom now and then one is killed or stopped; then the verdict. */
async function storm(random: Random, kills: number): Promise<Verdict> {
  using scratch = scratchFolder(random.chance(0.8) ? 'memory' : 'disk');
  const path = scratch.file('storm.ring');
  const capacityBytes = random.pick([4096, 8192, 16384]);
  const startPosition = random.pick([0, 2 ** 31 - 4096, 2 ** 32 - 4096]);
  createRing(path, { capacityBytes, startPosition }).close();
  const journals = { producer: scratch.file('produced'), consumer: scratch.file('consumed') };
  const traffic = { seed: random.next(), maxLength: 2000 };
  const cast = (role: Role): Cast =>
    new Cast(role, () => new Program('ring-storm', { path, role, journal: journals[role], traffic }), random);
  await using producer = cast('producer');
  await using consumer = cast('consumer');
  try {
    await Promise.all([producer.enter(), consumer.enter()]);
    for (let killed = 0; killed < kills; ) {
      await pause(random.below(40));
      const victims = random.chance(0.2) ? [producer, consumer] : [random.pick([producer, consumer])];
      if (random.chance(0.3)) {
        for (const victim of victims) victim.current.kill('SIGSTOP');
        await pause(random.pick([0, 5, 30, 150]));
        if (random.chance(0.7)) {
          for (const victim of victims) victim.current.kill('SIGCONT');
          continue;
        }
      }
      await Promise.all(victims.map((victim) => victim.replace()));
      killed += victims.length;
    }
    await producer.replace(300);
    await producer.current.next('ended');
    await consumer.current.next('ended');
  } catch (error) {
    (error as Error).message +=
      `\n${ringState(path)}\n${producer.current.diagnosis()}\n${consumer.current.diagnosis()}`;
    throw error;
  }
  return judge(readJournal(journals.consumer), readJournal(journals.producer));
}

/** One side of a storm: who plays it now, and who stands by, so that a kill costs no start of a process. */
class Cast implements AsyncDisposable {
  current: Program;
  readonly #role: Role;
  readonly #hire: () => Program;
  readonly #random: Random;
  #understudy: Program;
  #lives = 0;

  constructor(role: Role, hire: () => Program, random: Random) {
    this.#role = role;
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
    this.current.tell(`${this.#random.pick(WAYS[this.#role])} ${this.#random.next()} ${this.#lives} ${count}`);
    this.#lives += 1;
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
  const key = (life: number, number: number): number => packKey({ life, number });
  const begun: Entry = { event: Event.begun, value: 0 };
  const advanced: Entry = { event: Event.advanced, value: 0 };
  const ended: Entry = { event: Event.ended, value: 0 };
  const handled = (life: number, ...numbers: number[]): Entry[] =>
    numbers.map((number) => ({ event: Event.handled, value: key(life, number) }));
  const committed = (life: number, number: number): Entry => ({ event: Event.committed, value: key(life, number) });

  test('accepts repeats of what was not advanced over, and successors of the dead', () => {
    const consumed = [begun, ...handled(0, 0, 1), advanced, ...handled(0, 2, 3), begun, ...handled(0, 2, 3, 4)];
    expect(judge([...consumed, ...handled(3, 0, 1), advanced, ended], [committed(0, 3), committed(3, 1)])).toEqual({
      messages: 7,
      repeats: 2,
      producers: 2,
      consumers: 2,
    });
  });

  test.each([
    ['a gap', [begun, ...handled(0, 0, 2), ended], [], 'message 2 of producer 0 followed message 0'],
    ['a stream that does not begin at its beginning', [begun, ...handled(0, 1), ended], [], 'followed nothing'],
    [
      'a repeat of what was advanced over',
      [begun, ...handled(0, 0, 1), advanced, begun, ...handled(0, 1), ended],
      [],
      'came again',
    ],
    [
      'a repeat in another order',
      [begun, ...handled(0, 0, 1, 2), begun, ...handled(0, 0, 2), ended],
      [],
      'in the place of',
    ],
    ['a gap after a restart', [begun, ...handled(0, 0), begun, ...handled(0, 2), ended], [], 'followed'],
    ['an earlier life after a later one', [begun, ...handled(1, 0), ...handled(0, 0), ended], [], 'followed'],
    [
      'a lost end of a life',
      [begun, ...handled(0, 0), ...handled(1, 0), ended],
      [committed(0, 1)],
      'message 1 of producer 0 was left out',
    ],
    [
      'a lost life',
      [begun, ...handled(0, 0), ...handled(2, 0), ended],
      [committed(0, 0), committed(1, 0)],
      'message 0 of producer 1 was left out',
    ],
    ['a lost last message', [begun, ...handled(0, 0), ended], [committed(0, 1)], 'never handled'],
    ['no end', [begun, ...handled(0, 0)], [], 'no consumer saw the end'],
  ] as const)('finds %s', (_name, consumed, produced, message) => {
    expect(() => judge(consumed, produced)).toThrow(message);
  });
});
