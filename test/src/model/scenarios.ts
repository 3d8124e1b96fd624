import type { WaitStrategy } from '@memlane/core';
import { type Consumer, FULL, type Handler, type Producer } from '@memlane/ring';
import { checkpoint, HEADER_BYTES, loadWord, note, openModelRing, prepareRing, type Shape } from './bed.ts';
import type { Actor, Scenario, Seen } from './explorer.ts';
import type { ScenarioName } from './names.ts';
import { place, type Store } from './places.ts';

/*
 * Message k has a length that alternates and words that tell k, so that records begin at every place of the data and one
 * that is torn, stale or misplaced cannot look right.
 */

const LENGTHS = [8, 12];
const lengthOf = (message: number): number => LENGTHS[message % LENGTHS.length] as number;
const bytesOf = (message: number): number => HEADER_BYTES + ((lengthOf(message) + 7) & -8);
const wordOf = (message: number, word: number): number => message * 16 + word + 1;

interface Plan extends Shape {
  readonly messages: number;
}

type Waiting = 'thread' | 'event loop';
const strategyOf: Record<Waiting, WaitStrategy> = { thread: 'park', 'event loop': 'event' };

/** How many messages are published when the position is that. */
function messagesUpTo(position: number, { startPosition }: Shape): number {
  let left = (position - startPosition) | 0;
  let message = 0;
  while (left > 0) left -= bytesOf(++message);
  if (left !== 0) throw new Error(`No message ends at position ${position}`);
  return message;
}

function fill(producer: Producer, offset: number, message: number): void {
  for (let word = 0; word * 4 < lengthOf(message); word++)
    producer.view.i32[(offset >> 2) + word] = wordOf(message, word);
}

/** Writes the messages that are missing, one a commit. */
async function produce(producer: Producer, plan: Plan, waiting: Waiting, ending: boolean): Promise<void> {
  note('attached');
  const published = messagesUpTo(loadWord('lane.published'), plan);
  for (let message = published + 1; message <= plan.messages; message++) {
    const length = lengthOf(message);
    checkpoint(producer, message);
    let offset = producer.tryClaim(length, message);
    while (offset === FULL) {
      if (waiting === 'thread') producer.waitSync(Number.POSITIVE_INFINITY, length);
      else await producer.wait({ length });
      checkpoint(producer, message);
      offset = producer.tryClaim(length, message);
    }
    fill(producer, offset, message);
    producer.commit();
    note('committed', message);
  }
  if (ending) producer.end();
}

const checked: Handler = (view, offset, length, type) => {
  const expected = lengthOf(type);
  if (length !== expected) throw new Error(`message ${type} has ${length} bytes instead of ${expected}`);
  for (let word = 0; word * 4 < length; word++) {
    const value = view.i32[(offset >> 2) + word];
    if (value !== wordOf(type, word)) throw new Error(`word ${word} of message ${type} is ${value}`);
  }
  note('read', type);
};

/** Reads until it has had the last message, or the stream has ended. */
async function consume(
  consumer: Consumer,
  plan: Plan,
  waiting: Waiting,
  ending: boolean,
  leaving = false,
): Promise<void> {
  note('attached');
  let last = 0;
  const handler: Handler = (view, offset, length, type) => {
    checked(view, offset, length, type);
    last = type;
  };
  while (ending ? !consumer.isEnded : last < plan.messages) {
    checkpoint(consumer, last);
    if (consumer.poll(handler, leaving ? 1 : undefined) > 0) {
      if (leaving) break;
      continue;
    }
    if (waiting === 'thread') consumer.waitSync();
    else await consumer.wait();
  }
  note('satisfied');
  if (leaving) consumer.close();
}

interface Options {
  readonly waiting?: Waiting;
  readonly producerWaiting?: Waiting;
  readonly mortal?: readonly string[];
  readonly successors?: readonly ('producer' | 'consumer')[];
  readonly kills?: number;
  readonly ending?: boolean;
  /** The consumer leaves after one message, and another one comes. */
  readonly leaving?: boolean;
}

/** One stream from producer to consumer, with deaths and successors. */
function stream(plan: Plan, options: Options = {}): Scenario {
  const {
    waiting = 'thread',
    producerWaiting = waiting,
    mortal = [],
    successors = [],
    ending = false,
    leaving = false,
  } = options;
  const consumer = (): Consumer => openModelRing(plan).consumer({ wait: strategyOf[waiting] });
  const ends = {
    producer: () =>
      produce(openModelRing(plan).producer({ wait: strategyOf[producerWaiting] }), plan, producerWaiting, ending),
    consumer: () => consume(consumer(), plan, waiting, ending),
  };
  const actors: Actor[] = [
    { name: 'producer', begin: ends.producer, prepared: true, mortal: mortal.includes('producer') },
    { name: 'consumer', begin: ends.consumer, prepared: true, mortal: mortal.includes('consumer') },
  ];
  if (leaving) {
    const first = actors[1] as Actor;
    actors[1] = { ...first, begin: () => consume(consumer(), plan, waiting, ending, true) };
    actors.push({ name: 'consumer 2', begin: ends.consumer, afterEnd: 'consumer' });
  }
  for (const role of successors) actors.push({ name: `${role} 2`, begin: ends[role], after: role });
  return {
    actors,
    kills: options.kills ?? (mortal.length > 0 ? 1 : 0),
    prepare: (store) => prepareRing(store, plan),
    atEnd: (seen, store) => judge(seen, store, plan),
  };
}

/** Two claims a commit, one abandoned before; read by copy. Whoever finds no room or no message sleeps in its thread. */
function batches(plan: Plan): Scenario {
  const words = (message: number): Uint8Array =>
    new Uint8Array(Int32Array.from({ length: lengthOf(message) / 4 }, (_, word) => wordOf(message, word)).buffer);
  const write = (): void => {
    const producer = openModelRing(plan).producer({ wait: 'park' });
    note('attached');
    for (let message = 1; message <= plan.messages; ) {
      checkpoint(producer, message);
      // Abandoned: nobody may ever see it.
      if (producer.tryClaim(4, 99) !== FULL) producer.abort();
      let claimed = 0;
      for (; message + claimed <= plan.messages; claimed++) {
        const offset = producer.tryClaim(lengthOf(message + claimed), message + claimed);
        if (offset === FULL) break;
        producer.view.u8.set(words(message + claimed), offset);
      }
      producer.commit();
      for (; claimed > 0; claimed--) note('committed', message++);
      if (message <= plan.messages) producer.waitSync(Number.POSITIVE_INFINITY, lengthOf(message));
    }
  };
  const read = (): void => {
    const consumer = openModelRing(plan).consumer({ wait: 'park' });
    note('attached');
    for (let last = 0; last < plan.messages; ) {
      checkpoint(consumer, last);
      const message = consumer.tryRead();
      if (message === null) {
        consumer.waitSync();
        continue;
      }
      last = message.type;
      if (Buffer.compare(message.data, words(last)) !== 0) throw new Error(`message ${last} is ${message.data}`);
      note('read', last);
    }
  };
  return {
    actors: [
      { name: 'producer', begin: write, prepared: true },
      { name: 'consumer', begin: read, prepared: true },
    ],
    kills: 0,
    prepare: (store) => prepareRing(store, plan),
    atEnd: (seen, store) => judge(seen, store, plan),
  };
}

/** What may be left when nobody can make a step. */
function judge(actors: readonly Seen[], store: Store, plan: Plan): string | undefined {
  const published = messagesUpTo(store[place('lane.published')] as number, plan);
  const consumed = messagesUpTo(store[place('lane.consumed')] as number, plan);
  const values = (seen: Seen, event: string): number[] =>
    seen.notes.filter((each) => each.event === event).map(({ value }) => value);
  for (const seen of actors) {
    for (const message of values(seen, 'committed'))
      if (message > published) return `message ${message} was committed by ${seen.name}, but is not published`;
  }
  let reached = 0;
  for (const seen of actors.filter(({ name }) => name.startsWith('consumer'))) {
    const read = values(seen, 'read');
    for (const [index, message] of read.entries()) {
      const before = index === 0 ? undefined : (read[index - 1] as number);
      // Only a death makes messages come twice.
      const repeats = before === undefined && message <= reached && actors.some(({ state }) => state === 'dead');
      if (message !== (before ?? reached) + 1 && !repeats)
        return `${seen.name} read message ${message} after ${before ?? reached}`;
      reached = Math.max(reached, message);
    }
    if (seen.state !== 'asleep') continue;
    if (consumed < published) return `lost wake-up: ${seen.name} sleeps with ${published - consumed} unread`;
    if (store[place('lane.ended')] === 1) return `lost wake-up: ${seen.name} sleeps at the end of the stream`;
    const living = actors.find(({ name, state }) => name.startsWith('producer') && state === 'asleep');
    if (living !== undefined) return `both sides sleep`;
  }
  const readers = actors.filter(({ name }) => name.startsWith('consumer'));
  if (readers.some(({ state }) => state === 'ended' || state === 'asleep') && reached !== published)
    return `${published} messages were published, ${reached} arrived`;
  for (const seen of actors.filter(({ name, state }) => name.startsWith('producer') && state === 'asleep')) {
    const next = published + 1;
    const used = ((store[place('lane.published')] as number) - (store[place('lane.consumed')] as number)) | 0;
    if (used + bytesOf(next) <= plan.capacityBytes)
      return `lost wake-up: ${seen.name} sleeps with room for message ${next}`;
    if (readers.some(({ state }) => state !== 'dead')) return `${seen.name} waits for room that nobody will give back`;
  }
  return undefined;
}

/** Two who want one slot, and, when a death is allowed, one who comes after the first. */
function rivals(mortal: boolean): Scenario {
  const shape = { capacityBytes: 32, startPosition: 0 };
  const begin = (): void => {
    const ring = openModelRing(shape);
    let consumer: Consumer;
    try {
      consumer = ring.consumer({ wait: 'park' });
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_MEMLANE_BUSY') throw error;
      note('refused');
      return;
    }
    note('holds');
    consumer.poll(() => {});
    note('gives back');
    consumer.close();
  };
  const actors: Actor[] = [
    { name: 'rival 1', begin, mortal },
    { name: 'rival 2', begin },
  ];
  if (mortal) actors.push({ name: 'rival 3', begin, after: 'rival 1' });
  return {
    actors,
    kills: mortal ? 1 : 0,
    prepare: (store) => {
      prepareRing(store, shape);
      // Left by somebody who was killed in its sleep.
      store[place('consumer slot.parked')] = 6;
      store[place('consumer slot.state')] = 1;
    },
    always: (seen, store) => {
      const holders = seen.filter(({ state, notes }) => state !== 'dead' && notes.at(-1)?.event === 'holds');
      if (holders.length > 1) return `${holders.map(({ name }) => name).join(' and ')} hold one slot`;
      if (holders.length === 0) return undefined;
      const word = (name: string): number => store[place(`consumer slot.${name}`)] as number;
      if (word('state') !== 1) return `${holders[0]?.name} holds the slot, which says that it is vacant`;
      if ((word('parked') & 2) !== 0) return `${holders[0]?.name} holds the slot, and its predecessor sleeps in it`;
      if (word('parked') >> 2 === 0) return `${holders[0]?.name} begins to count its sleeps anew`;
      return undefined;
    },
    atEnd: (seen, store) => {
      for (const { name, state } of seen) if (state === 'asleep') return `${name} waits for ever`;
      const served = seen.some(({ notes, state }) => state === 'dead' || notes.some(({ event }) => event === 'holds'));
      if (!served) return 'everybody was refused';
      return store[place('consumer slot.state')] === 0
        ? undefined
        : 'nobody holds the slot, which says that it is active';
    },
  };
}

const extra = Number(process.env.MEMLANE_MODEL_BOUND ?? 0);
if (!Number.isInteger(extra) || extra < 0) throw new Error('MEMLANE_MODEL_BOUND is a number of messages, 0 or more');
const plan = (messages: number, startPosition = 0): Plan => ({
  capacityBytes: 32,
  startPosition,
  messages: messages + extra,
});

/** Every scenario by its name. MEMLANE_MODEL_BOUND adds so many messages to each stream. */
export const scenarios: Readonly<Record<ScenarioName, () => Scenario>> = {
  'two threads': () => stream(plan(3)),
  'two threads, across 2^31': () => stream(plan(3, 2 ** 31 - 24)),
  'two threads, across 2^32': () => stream(plan(3, 2 ** 32 - 24)),
  'two event loops': () => stream(plan(3), { waiting: 'event loop' }),
  'thread and event loop': () => stream(plan(3), { waiting: 'event loop', producerWaiting: 'thread' }),
  'a stream that ends': () => stream(plan(2), { ending: true }),
  'batches and copies': () => batches(plan(3)),
  'producer killed': () => stream(plan(2), { mortal: ['producer'] }),
  'producer killed, event loops': () => stream(plan(2), { mortal: ['producer'], waiting: 'event loop' }),
  'consumer killed': () => stream(plan(2), { mortal: ['consumer'] }),
  'producer killed and succeeded': () => stream(plan(1), { mortal: ['producer'], successors: ['producer'] }),
  'consumer killed and succeeded': () => stream(plan(2), { mortal: ['consumer'], successors: ['consumer'] }),
  'consumer killed and succeeded, event loops': () =>
    stream(
      { ...plan(2), capacityBytes: 64 },
      { mortal: ['consumer'], successors: ['consumer'], waiting: 'event loop' },
    ),
  'consumer killed and succeeded, with room for all': () =>
    stream({ ...plan(2), capacityBytes: 64 }, { mortal: ['consumer'], successors: ['consumer'] }),
  'producer killed and succeeded, event loops': () =>
    stream(plan(1), { mortal: ['producer'], successors: ['producer'], waiting: 'event loop' }),
  'consumer leaves, another comes': () => stream(plan(2), { leaving: true }),
  'consumer leaves, another comes, event loops': () => stream(plan(2), { leaving: true, waiting: 'event loop' }),
  'rivals for a slot': () => rivals(false),
  'rivals for a slot, one killed': () => rivals(true),
};
