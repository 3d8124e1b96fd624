import { ok } from 'node:assert';
import { rmSync } from 'node:fs';
import { recordBytes } from '@memlane/ring/layout';
import fc from 'fast-check';
import {
  Action,
  type Consumer,
  createAnonymousRing,
  createRing,
  type EndpointOptions,
  FULL,
  type Producer,
  type Ring,
  type RingShape,
  type WaitStrategy,
} from 'memlane';
import { CAPACITY } from '../ring/conformance/bed.ts';
import { checkPlace } from './bounds.ts';
import { Liar, type Lie, lies } from './lies.ts';
import { nameOf } from './named.ts';

/** One call of an honest side, and what the liar writes while it is under way. */
export interface LiedTo {
  readonly do: Call;
  readonly length: number;
  readonly actions: readonly Action[];
  readonly lies: readonly Lie[];
}

type Call = 'claim' | 'batch' | 'write' | 'write later' | 'room' | 'room later' | 'end' | 'new producer' | Reading;
type Reading = 'poll' | 'read' | 'iterate' | 'wait' | 'wait later' | 'ended' | 'statistics' | 'new consumer';

export const liedTo: fc.Arbitrary<LiedTo> = fc.record({
  do: fc.constantFrom<Call>(
    ...(['claim', 'claim', 'batch', 'write', 'write later', 'room', 'room later', 'end'] as const),
    ...(['poll', 'poll', 'read', 'iterate', 'wait', 'wait later', 'ended', 'statistics'] as const),
    ...(['new producer', 'new consumer'] as const),
  ),
  length: fc.oneof(fc.nat(64), fc.nat(CAPACITY - 8)),
  actions: fc.array(fc.constantFrom(...Object.values(Action)), { maxLength: 4 }),
  lies: fc.array(lies, { maxLength: 4 }),
});

/** How the ring is made, and how its ends wait. */
export interface LiedToRing {
  readonly writing: WaitStrategy;
  readonly reading: WaitStrategy;
  readonly startPosition: number;
  readonly checksums: boolean;
  /** Both ends, in a ring that has a name. Only with checksums. */
  readonly recover: boolean;
}

const BLAMED = ['published', 'notPublished', 'consumed', 'notConsumed', 'length', 'checksum', 'ready', 'generation'];

const IN_THE_HEAD = ['CORRUPT', 'DELETED', 'KIND', 'NOT_MEMLANE', 'SIGNATURE', 'TRUNCATED', 'VERSION'].map(
  (name) => `ERR_MEMLANE_${name}`,
);

const way = fc.constantFrom<WaitStrategy>('event', 'park', 'adaptive', 'yield', 'spin');

export const liedToRing: fc.Arbitrary<LiedToRing> = fc.record({
  writing: way,
  reading: way,
  startPosition: fc.nat(2 ** 29 - 1).map((n) => n * 8),
  checksums: fc.boolean(),
  recover: fc.boolean(),
});

/** A ring with two honest ends in one thread, and a liar. */
export class LiesBed {
  readonly outcomes: Record<string, number>;
  readonly #path: string;
  readonly #recovering: boolean;
  readonly #shape: RingShape;
  #ring: Ring;
  readonly #writing: EndpointOptions;
  readonly #reading: EndpointOptions;
  #liar: Liar;
  #producer: Producer;
  #consumer: Consumer;

  constructor(
    { writing, reading, startPosition, checksums, recover }: LiedToRing,
    path: string,
    outcomes: Record<string, number>,
  ) {
    this.outcomes = outcomes;
    this.#recovering = checksums && recover;
    this.#path = path;
    this.#writing = { wait: writing, recover: this.#recovering };
    this.#reading = { wait: reading, recover: this.#recovering };
    this.#shape = { capacityBytes: CAPACITY, startPosition, checksums };
    this.#ring = this.#make();
    this.#liar = Liar.about(this.#ring);
    this.#producer = this.#ring.producer(this.#writing);
    this.#consumer = this.#ring.consumer(this.#reading);
  }

  async run(steps: readonly LiedTo[]): Promise<void> {
    try {
      for (const step of steps) {
        const pending = [...step.lies];
        const lie = (): void => {
          const next = pending.shift();
          if (next !== undefined) this.#liar.tell(next);
        };
        const outcome = await this.#attempt(step.do, () => this.#call(step, lie));
        while (pending.length > 0) lie();
        // Otherwise most of what follows would be refused for the same word.
        if (outcome === 'ERR_MEMLANE_CORRUPT' && step.length % 2 === 0) this.#anew(8 * step.length);
      }
    } finally {
      this.#dispose();
    }
  }

  #make(): Ring {
    return this.#recovering ? createRing(this.#path, this.#shape) : createAnonymousRing(this.#shape);
  }

  #dispose(): void {
    this.#ring.close();
    this.#liar[Symbol.dispose]();
    rmSync(this.#path, { force: true });
  }

  async #attempt(name: string, call: () => void | Promise<void>): Promise<string> {
    let outcome = 'worked';
    try {
      await call();
    } catch (error) {
      outcome = nameOf(error, name);
      const field = (error as { field?: string }).field ?? '';
      const expected =
        (outcome === 'ERR_MEMLANE_CORRUPT' && BLAMED.includes(field)) ||
        outcome === 'ERR_MEMLANE_ENDED' ||
        // Whoever recovers maps the file again to take a place in it.
        (this.#recovering && name.startsWith('new') && IN_THE_HEAD.includes(outcome)) ||
        outcome === 'ERR_MEMLANE_WAIT_STRATEGY';
      if (!expected) throw new Error(`${name} was refused with ${outcome} ${field}`, { cause: error });
    }
    this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + 1;
    return outcome;
  }

  #anew(position: number): void {
    this.#producer.close();
    this.#consumer.close();
    this.#setRight(position);
    this.#producer = this.#ring.producer(this.#writing);
    this.#consumer = this.#ring.consumer(this.#reading);
  }

  #call({ do: what, length: wanted, actions }: LiedTo, lie: () => void): void | Promise<void> {
    const producer = this.#producer;
    const length = Math.min(wanted, producer.maxMessageBytes);
    const consumer = this.#consumer;
    switch (what) {
      case 'claim':
      case 'batch':
        for (let n = what === 'batch' ? 4 : 1, room = CAPACITY; n > 0; n--) {
          const offset = producer.tryClaim(length, n);
          if (offset === FULL) break;
          room -= recordBytes(length, 0);
          ok(room >= 0, 'more is claimed than there is room for');
          checkPlace(producer.view, offset, length, n, CAPACITY);
          producer.view.u8.fill(n, offset, offset + length);
          lie();
        }
        if (length % 5 === 0) producer.abort();
        producer.commit();
        return;
      case 'write':
        producer.tryWrite(length % 2 === 0 ? 'x'.repeat(length) : new Uint8Array(length));
        return;
      case 'write later':
        return calledOff((signal) => producer.write(new Uint8Array(length), { signal }), lie);
      case 'room':
        producer.waitSync(0, length);
        return;
      case 'room later':
        return calledOff((signal) => producer.wait({ signal, length }), lie);
      case 'end':
        producer.end();
        return;
      case 'poll': {
        let calls = 0;
        consumer.poll((view, offset, bytes, type) => {
          checkPlace(view, offset, bytes, type, CAPACITY);
          lie();
          ok(calls <= CAPACITY / 8, 'more messages than there is room for');
          return actions[calls++ % Math.max(1, actions.length)];
        });
        return;
      }
      case 'read': {
        const message = consumer.tryRead();
        if (message !== null) ok(message.data.length <= CAPACITY - 8, `${message.data.length} bytes`);
        return;
      }
      case 'iterate':
        return calledOff(async (signal) => {
          let calls = 0;
          for await (const { data } of consumer.messages({ signal })) {
            ok(data.length <= CAPACITY - 8, `${data.length} bytes`);
            lie();
            // A liar may give work without end, which a loop may then have; here it is enough.
            if (++calls > CAPACITY) break;
          }
        }, lie);
      case 'wait':
        consumer.waitSync(0);
        return;
      case 'wait later':
        return calledOff((signal) => consumer.wait({ signal }), lie);
      case 'ended':
        void consumer.isEnded;
        return;
      case 'statistics':
        this.#ring.statistics();
        return;
      case 'new producer':
        producer.close();
        this.#again(() => {
          this.#producer = this.#ring.producer(this.#writing);
        });
        return;
      case 'new consumer':
        consumer.close();
        this.#again(() => {
          this.#consumer = this.#ring.consumer(this.#reading);
        });
        return;
    }
  }

  /** Whoever is refused a place because of a lie gets it when the words are right again. */
  #again(take: () => void): void {
    try {
      take();
    } catch (error) {
      this.#producer.close();
      this.#consumer.close();
      this.#setRight(0);
      this.#producer = this.#ring.producer(this.#writing);
      this.#consumer = this.#ring.consumer(this.#reading);
      throw error;
    }
  }

  /** What the ends have left of the file of their ring may be another by now: where they recover, they get a new one. */
  #setRight(position: number): void {
    if (!this.#recovering) {
      this.#liar.repent(position);
      return;
    }
    this.#dispose();
    this.#ring = this.#make();
    this.#liar = Liar.about(this.#ring);
  }
}

/** Lets a call wait, lies to it, and calls it off: then it must end. */
async function calledOff(call: (signal: AbortSignal) => Promise<void>, lie: () => void): Promise<void> {
  const off = new AbortController();
  let failure: unknown;
  const done = call(off.signal).catch((error) => {
    failure = error;
  });
  lie();
  await new Promise(setImmediate);
  lie();
  off.abort();
  await done;
  if (failure !== undefined && failure !== off.signal.reason) throw failure;
}
