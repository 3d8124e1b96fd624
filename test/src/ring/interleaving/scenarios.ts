import { strict as assert } from 'node:assert';
import {
  attachRing,
  type Consumer,
  type ConsumerOptions,
  createAnonymousRing,
  type MemlaneError,
  type Ring,
  type RingShape,
} from 'memlane';
import { CAPACITY } from '../conformance/bed.ts';
import { Numbering, Reckoning } from '../numbered.ts';
import type { Traffic } from '../traffic.ts';
import { interrupt, wasNotReached } from './turn.ts';

/** Two who do something to one ring, and what must be so in the end. */
interface Act extends Disposable {
  /** Is interrupted before each of its memory operations in turn. */
  readonly first: () => void;
  /** Has its turn then, from beginning to end. */
  readonly second: () => void;
  readonly check: () => void;
}

interface Scenario {
  readonly name: string;
  readonly make: () => Act;
}

/** Runs an act once for each memory operation of its first part; returns how many those are. */
export function interleave(make: () => Act): number {
  for (let step = 1; ; step++) {
    using act = make();
    let ended = false;
    interrupt(step, act.second);
    try {
      act.first();
      ended = wasNotReached();
      if (ended) act.second();
      act.check();
    } catch (error) {
      wasNotReached();
      (error as Error).message += `\nin the schedule in which it is interrupted before step ${step}`;
      throw error;
    }
    if (ended) return step - 1;
  }
}

const TRAFFIC: Traffic = { seed: 11, maxLength: 100 };
/** Messages that surely fill a ring more than twice. */
const LAPS = Math.ceil((2.5 * CAPACITY) / 60);

/** A ring with a producer that has been at work for a while, in the hands of one who has it mapped twice. */
class Stage implements Disposable {
  readonly #ring: Ring;
  readonly #other: Ring;
  writer: Numbering;
  readonly reader: Reckoning = new Reckoning(TRAFFIC);
  readonly #evicts: boolean;
  consumer: Consumer | undefined;
  evicted = false;
  keepsEverything = false;

  constructor(shape: RingShape) {
    const given = { capacityBytes: CAPACITY, consumers: 3, startPosition: 2 ** 32 - CAPACITY, ...shape };
    this.#evicts = given.maxLagBytes !== undefined;
    this.#ring = createAnonymousRing(given);
    this.#other = attachRing(this.#ring.descriptor());
    this.writer = new Numbering(this.#ring.producer({ wait: 'spin' }), TRAFFIC);
  }

  get ring(): Ring {
    return this.#other;
  }

  join(options: ConsumerOptions): void {
    const { onLoss } = this.reader;
    this.consumer = this.#other.consumer({
      wait: 'spin',
      ...(this.ring.topology === 'mpsc' ? {} : { onLoss }),
      ...options,
    });
  }

  read(): void {
    this.#try((consumer) => this.reader.readAll(consumer));
  }

  readSome(limit: number): void {
    this.#try((consumer) => consumer.poll(this.reader.handle, limit));
  }

  /** Waits for no time, which is to look for work, and to tidy up. */
  look(): void {
    this.#try((consumer) => consumer.waitSync(0));
  }

  #try(action: (consumer: Consumer) => void): void {
    if (this.consumer === undefined || this.evicted) return;
    try {
      action(this.consumer);
    } catch (error) {
      if (!this.#evicts || (error as MemlaneError).code !== 'ERR_MEMLANE_EVICTED') throw error;
      this.evicted = true;
    }
  }

  /** Reads on, has the ring filled once more, and reads that: nothing is missing, and the last message has come. */
  settle(): void {
    for (let times = 0; times < 3; times++) {
      this.read();
      this.writer.write(LAPS);
    }
    this.read();
    this.writer.write(2); // who goes on at what is written now, when it was overtaken, has nothing to read before that
    this.read();
    if (this.evicted) return;
    assert.equal(this.reader.due, this.writer.next);
    if (this.keepsEverything) assert.equal(this.reader.losses, 0);
  }

  [Symbol.dispose](): void {
    this.#other.close();
    this.#ring.close();
  }
}

const SHAPES: Readonly<Record<string, RingShape>> = {
  lossless: { topology: 'broadcast' },
  evicting: { topology: 'broadcast', maxLagBytes: CAPACITY / 4 },
  overwriting: { topology: 'broadcast', overwrite: true },
};

function act(stage: Stage, first: () => void, second: () => void): Act {
  return { first, second, check: () => stage.settle(), [Symbol.dispose]: () => stage[Symbol.dispose]() };
}

/** Rule 3: whoever joins a lane in whatever way, while its producer is at full speed, reads nothing that was overwritten. */
function joining(shape: string): Scenario[] {
  const ways: Readonly<Record<string, ConsumerOptions>> = {
    'at the oldest message': { from: 'oldest' },
    'at what is written now': { from: 'now' },
    'by a new name': { name: 'reader', from: 'oldest' },
  };
  const scenarios: Scenario[] = [];
  for (const [way, options] of Object.entries(ways)) {
    for (const burst of [1, 8, LAPS])
      scenarios.push({
        name: `a consumer joins ${way} (${shape}), and meanwhile ${burst} messages are written`,
        make: () => {
          const stage = new Stage(SHAPES[shape] as RingShape);
          stage.writer.write(LAPS);
          return act(
            stage,
            () => stage.join(options),
            () => stage.writer.write(burst),
          );
        },
      });
    scenarios.push({
      name: `messages are written (${shape}), and meanwhile a consumer joins ${way} and reads`,
      make: () => {
        const stage = new Stage(SHAPES[shape] as RingShape);
        stage.writer.write(LAPS);
        return act(
          stage,
          () => stage.writer.write(10),
          () => {
            stage.join(options);
            stage.readSome(1);
          },
        );
      },
    });
  }
  return scenarios;
}

/** Who goes on by a name that was kept, or not, while its producer is at full speed. */
function resuming(shape: string, retain: ConsumerOptions['retain'], away: number): Scenario[] {
  const set = (): Stage => {
    const stage = new Stage(SHAPES[shape] as RingShape);
    stage.keepsEverything = retain === 'everything';
    stage.join({ name: 'reader', from: 'oldest', retain });
    stage.writer.write(20);
    stage.read();
    stage.consumer?.close();
    stage.consumer = undefined;
    stage.writer.write(away);
    return stage;
  };
  const back = (stage: Stage): void => stage.join({ name: 'reader', retain });
  const kind = `${shape}, ${retain ?? 'by default'}`;
  return [8, LAPS].flatMap((burst) => [
    {
      name: `a name comes back after ${away} messages (${kind}), and meanwhile ${burst} are written`,
      make: () => {
        const stage = set();
        return act(
          stage,
          () => back(stage),
          () => stage.writer.write(burst),
        );
      },
    },
    {
      name: `${burst} messages are written, and meanwhile a name comes back after ${away} (${kind})`,
      make: () => {
        const stage = set();
        return act(
          stage,
          () => stage.writer.write(Math.min(burst, 30)),
          () => {
            back(stage);
            stage.readSome(2);
          },
        );
      },
    },
  ]);
}

/** A reader that is overtaken while it reads. */
function reading(shape: string, from: ConsumerOptions['from']): Scenario[] {
  const set = (): Stage => {
    const stage = new Stage(SHAPES[shape] as RingShape);
    stage.writer.write(LAPS);
    stage.join({ from });
    stage.read();
    stage.writer.write(8);
    return stage;
  };
  return [
    ...[1, 20, LAPS].map((burst) => ({
      name: `a consumer reads (${shape}, ${from}), and meanwhile ${burst} messages are written`,
      make: () => {
        const stage = set();
        return act(
          stage,
          () => {
            stage.readSome(3);
            stage.look();
            stage.read();
          },
          () => stage.writer.write(burst),
        );
      },
    })),
    {
      name: `messages are written (${shape}, ${from}), and meanwhile a consumer reads`,
      make: () => {
        const stage = set();
        return act(
          stage,
          () => stage.writer.write(LAPS),
          () => stage.read(),
        );
      },
    },
  ];
}

/** A lane that is given back when its producer has gone, and taken by the next. */
function abandoning(topology: 'mpsc' | 'bus'): Scenario[] {
  const set = (): { stage: Stage; come: () => void } => {
    const stage = new Stage({ topology, producers: 2, ...(topology === 'mpsc' ? { consumers: 1 } : {}) });
    stage.join(topology === 'mpsc' ? {} : { from: 'oldest' });
    stage.writer.write(20);
    stage.read();
    stage.writer.producer.close();
    const come = (): void => {
      stage.writer = new Numbering(stage.ring.producer({ wait: 'spin' }), TRAFFIC, stage.writer.next);
      stage.writer.write(5);
    };
    return { stage, come };
  };
  const whole = (stage: Stage, come: () => void, first: () => void, second: () => void): Act => ({
    first,
    second,
    check: () => {
      if (stage.writer.producer.closed) come(); // could not, while the other one held the lock
      stage.settle();
    },
    [Symbol.dispose]: () => stage[Symbol.dispose](),
  });
  return [
    {
      name: `a consumer gives a lane back (${topology}), and meanwhile a producer takes it`,
      make: () => {
        const { stage, come } = set();
        return whole(stage, come, () => stage.look(), come);
      },
    },
    {
      name: `a producer takes a lane (${topology}), and meanwhile a consumer gives it back`,
      make: () => {
        const { stage, come } = set();
        return whole(stage, come, come, () => stage.look());
      },
    },
  ];
}

export const scenarios: readonly Scenario[] = [
  ...joining('lossless'),
  ...joining('evicting'),
  ...joining('overwriting'),
  ...resuming('lossless', 'everything', 10),
  ...resuming('lossless', 'nothing', 10),
  ...resuming('lossless', 'nothing', LAPS),
  ...resuming('lossless', CAPACITY / 2, 10),
  ...resuming('lossless', CAPACITY / 2, LAPS),
  ...resuming('overwriting', undefined, LAPS),
  ...reading('overwriting', 'oldest'),
  ...reading('overwriting', 'now'),
  ...reading('evicting', 'oldest'),
  ...reading('lossless', 'oldest'),
  ...abandoning('mpsc'),
  ...abandoning('bus'),
];
