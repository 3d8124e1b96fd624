import { describe, expect, test } from '@jest/globals';
import { createRing, openRing, type RingShape } from 'memlane';
import { Program } from '../support/program.ts';
import { type Random, withSeed } from '../support/random.ts';
import { scratchFolder } from '../support/scratch.ts';
import { type Entry, Event, judgeMany, packKey, readJournal, type Verdict } from './storm-journal.ts';

/** How many processes are killed in each ring; MEMLANE_KILLS=1000 for a long storm. */
const KILLS = Number(process.env.MEMLANE_KILLS ?? 10);

const WAYS = {
  producer: ['blocking:spin', 'blocking:park', 'blocking:adaptive', 'awaiting:event', 'awaiting:adaptive'],
  consumer: ['blocking:park', 'blocking:adaptive', 'awaiting:event', 'awaiting:adaptive', 'iterating:adaptive'],
} as const;
type Role = keyof typeof WAYS;

interface Kind {
  readonly name: string;
  readonly shape: RingShape;
  readonly producers: number;
  readonly consumers: number;
}

// One place more for a producer than there are: the judge has it, so that the stream does not end before he says so.
const kinds: readonly Kind[] = [
  { name: 'mpsc', shape: { topology: 'mpsc', producers: 5 }, producers: 4, consumers: 1 },
  { name: 'broadcast', shape: { topology: 'broadcast', consumers: 4 }, producers: 1, consumers: 3 },
  { name: 'bus', shape: { topology: 'bus', producers: 4, consumers: 3 }, producers: 3, consumers: 2 },
];

test.each(kinds)(
  `nothing is lost and nothing comes twice that was advanced over, in ${KILLS} kills ($name)`,
  (kind) =>
    withSeed(async (random) => {
      const verdicts = await storm(random, kind);
      for (const { messages, consumers } of verdicts) {
        expect(messages).toBeGreaterThan(KILLS); // it was the ring that was under fire, not the start of processes
        expect(consumers).toBeGreaterThan(0);
      }
      if (KILLS > 100) process.stdout.write(`${kind.name}, ${KILLS} kills: ${JSON.stringify(verdicts)}\n`);
    }),
  60_000 + KILLS * 5_000,
);

/** Writers and readers of one ring, of whom now and then one is killed or stopped; then a verdict for each place of a reader. */
async function storm(random: Random, { shape, producers, consumers }: Kind): Promise<Verdict[]> {
  using scratch = scratchFolder(random.chance(0.8) ? 'memory' : 'disk');
  const path = scratch.file('storm.ring');
  const capacityBytes = random.pick([4096, 8192, 16384]);
  const startPosition = random.pick([0, 2 ** 31 - 4096, 2 ** 32 - 4096]);
  createRing(path, { ...shape, capacityBytes, startPosition }).close();
  using ring = openRing(path);
  const names = Array.from({ length: consumers }, (_, at) => `reader ${at}`);
  const isNamed = shape.topology !== 'mpsc';
  // The names are there before the first message.
  if (isNamed) for (const name of names) ring.consumer({ name }).close();
  const anchor = producers > 1 ? ring.producer() : undefined;
  const traffic = { seed: random.next(), maxLength: 1000 };
  const stage = new Stage(random);
  const written = scratch.file('produced');
  const read = names.map((_, at) => scratch.file(`consumed-${at}`));
  for (let n = 0; n < producers; n++)
    stage.roles.push(
      new Part('producer', () => new Program('ring-storm', { path, role: 'producer', journal: written, traffic })),
    );
  for (const [at, name] of names.entries()) {
    const reading = isNamed ? { name } : {};
    const given = { path, role: 'consumer', journal: read[at], traffic, reading };
    stage.roles.push(new Part('consumer', () => new Program('ring-storm', given)));
  }
  await using _ = stage;
  try {
    for (const part of stage.roles) await stage.enter(part);
    for (let killed = 0; killed < KILLS; ) {
      await pause(random.between(5, 60));
      const part = random.pick(stage.roles);
      if (random.chance(0.3)) {
        part.current?.kill('SIGSTOP');
        await pause(random.pick([0, 5, 30, 150]));
        if (random.chance(0.7)) {
          part.current?.kill('SIGCONT');
          continue;
        }
      }
      await stage.replace(part);
      killed += 1;
    }
    const [writers, readers] = [stage.of('producer'), stage.of('consumer')];
    for (const part of writers) await stage.replace(part, 50);
    for (const part of writers) await part.current?.next('ended');
    anchor?.end();
    for (const part of readers) await part.current?.next('ended');
  } catch (error) {
    (error as Error).message += `\n${JSON.stringify(ring.statistics(), null, 1)}\n${stage.diagnosis()}`;
    throw error;
  }
  return read.map((journal) => judgeMany(readJournal(journal), readJournal(written)));
}

/** One who writes or reads, in one life after the other; the next stands by, so that a kill costs no start of a process. */
class Part {
  readonly role: Role;
  readonly #hire: () => Program;
  current: Program | undefined;
  understudy: Program | undefined;

  constructor(role: Role, hire: () => Program) {
    this.role = role;
    this.#hire = hire;
  }

  async next(): Promise<Program> {
    this.current = this.understudy ?? this.#hire();
    this.understudy = this.#hire();
    await this.current.next('ready');
    return this.current;
  }
}

class Stage implements AsyncDisposable {
  readonly roles: Part[] = [];
  readonly #random: Random;
  #lives = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  of(role: Role): Part[] {
    return this.roles.filter((part) => part.role === role);
  }

  /** A producer writes without end, or `count` messages and the end. */
  async enter(part: Part, count = 0): Promise<void> {
    const program = await part.next();
    const way = this.#random.pick(WAYS[part.role]);
    program.tell(`${way} ${this.#random.next()} ${this.#lives} ${count}`);
    this.#lives += 1;
  }

  async replace(part: Part, count = 0): Promise<void> {
    part.current?.kill();
    expect(await part.current?.end()).toEqual({ code: null, signal: 'SIGKILL' });
    await this.enter(part, count);
  }

  diagnosis(): string {
    return this.roles.map(({ current }) => current?.diagnosis()).join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { current, understudy } of this.roles)
      for (const program of [current, understudy]) await program?.[Symbol.asyncDispose]();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

describe('the judge of a storm of many', () => {
  const begun: Entry = { event: Event.begun, value: 0 };
  const advanced: Entry = { event: Event.advanced, value: 0 };
  const ended: Entry = { event: Event.ended, value: 0 };
  const handled = (life: number, ...numbers: number[]): Entry[] =>
    numbers.map((number) => ({ event: Event.handled, value: packKey({ life, number }) }));
  const committed = (life: number, number: number): Entry => ({
    event: Event.committed,
    value: packKey({ life, number }),
  });

  test('accepts lives among each other, and repeats of what was not advanced over', () => {
    const consumed = [begun, ...handled(0, 0, 1), ...handled(1, 0), advanced, ...handled(0, 2, 3), ...handled(1, 1)];
    const successor = [begun, ...handled(1, 1, 2), ...handled(0, 3, 4), advanced, ended];
    expect(judgeMany([...consumed, ...successor], [committed(0, 4), committed(1, 2)])).toEqual({
      messages: 8,
      repeats: 2,
      producers: 2,
      consumers: 2,
    });
  });

  test.each([
    ['a gap', [begun, ...handled(0, 0), ...handled(1, 0), ...handled(0, 2), ended], [], 'came where 1 was due'],
    ['a stream that does not begin at its beginning', [begun, ...handled(0, 1), ended], [], 'from 0 to 0 was due'],
    ['a message twice', [begun, ...handled(0, 0, 0), ended], [], 'came where 1 was due'],
    [
      'a repeat of what was advanced over',
      [begun, ...handled(0, 0, 1), advanced, begun, ...handled(0, 1), ended],
      [],
      'from 2 to 2',
    ],
    ['a gap after a restart', [begun, ...handled(0, 0), begun, ...handled(0, 2), ended], [], 'from 0 to 1'],
    ['a lost last message', [begun, ...handled(0, 0), ended], [committed(0, 1)], 'never handled'],
    ['a lost life', [begun, ...handled(0, 0), ended], [committed(3, 0)], 'never handled'],
    ['no end', [begun, ...handled(0, 0)], [], 'no consumer saw the end'],
  ] as const)('finds %s', (_name, consumed, produced, message) => {
    expect(() => judgeMany(consumed, produced)).toThrow(message);
  });
});
