import type { Producer } from '@memlane/ring';
import { checkpoint, note } from './cell-bed.ts';
import type { Actor, Scenario, Seen } from './explorer.ts';
import { place, type Store } from './places.ts';
import { claim, extra, noted, readerOf } from './topology-actors.ts';
import { RingBed } from './topology-bed.ts';
import type { RESIZE_SCENARIOS } from './topology-names.ts';

/*
 * A lane that grows and shrinks while it is read. Messages are headers without payload, so that there is room for one of them,
 * and a mark, in the smaller segment, and for three in the larger. A producer has a number, and its messages tell whose
 * they are.
 */

/** The length that is none, of a mark. */
const MOVED_ON = -2;
const CAPACITY = 16;
const LENGTH = 0;
const MESSAGES_OF = 16;

/** What a producer does next: a resize that is refused, because what was before the last one is not read yet, is left out. */
type Deed = 'write' | 'grow' | 'shrink' | 'flush' | 'end' | 'leave';

interface Writer {
  readonly deeds: readonly Deed[];
  /** How many of them are done before the search begins. */
  readonly before?: number;
}

interface Options {
  /** The second comes when the first was killed, or has left, if it does. */
  readonly writers: readonly Writer[];
  /** Looks of each consumer, which never sleeps. Default: it sleeps, and reads for as long as anything may come. */
  readonly looks?: number;
  /** Whether it reads by copying one message at a time. */
  readonly copying?: boolean;
  /** Whether the consumer may be killed, and is succeeded by another. */
  readonly mortal?: boolean;
  readonly topology?: 'spsc' | 'mpsc';
  /** Nobody has attached when the search begins but the consumer. */
  readonly fresh?: boolean;
  readonly startPosition?: number;
  readonly prepare?: (store: Store) => void;
}

const messagesIn = (deeds: readonly Deed[]): number => deeds.filter((deed) => deed === 'write').length;

function write(bed: RingBed, index: number, { deeds, before = 0 }: Writer): void {
  const producer = bed.open().producer({ wait: 'park' });
  let message = index * MESSAGES_OF;
  for (const [at, deed] of deeds.entries()) {
    checkpoint(producer, at, message);
    if (deed === 'write') message += 1;
    act(producer, deed, message, at);
    if (at + 1 === before) note('attached');
    if (deed === 'write' && at >= before) note('committed', message);
  }
}

function act(producer: Producer, deed: Deed, message: number, at: number): void {
  if (deed === 'end') producer.end();
  else if (deed === 'leave') producer.close();
  else if (deed === 'flush') producer.flushSync();
  else if (deed === 'write') {
    while (!claim(producer, message, LENGTH)) {
      producer.waitSync(Number.POSITIVE_INFINITY, LENGTH);
      checkpoint(producer, at, message);
    }
    producer.commit();
  } else resize(producer, deed === 'grow' ? 2 * CAPACITY : CAPACITY);
}

function resize(producer: Producer, capacityBytes: number): void {
  try {
    producer.resize(capacityBytes);
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_MEMLANE_BUSY') throw error;
  }
}

function read(bed: RingBed, total: number, ending: boolean, { looks, copying = false }: Options): void {
  const consumer = bed.open().consumer({ wait: 'park' });
  note('attached');
  let count = 0;
  const handler = readerOf(
    () => LENGTH,
    () => {
      count += 1;
    },
  );
  for (let look = 0; look !== looks; ) {
    checkpoint(consumer, count, look);
    if (looks !== undefined) look += 1;
    if (copying) {
      const message = consumer.tryRead();
      if (message !== null) handler(undefined as never, 0, message.data.length, message.type);
      if (message !== null) continue;
    } else if (consumer.poll(handler) > 0) continue;
    if (ending ? consumer.isEnded : count >= total) break;
    // A look that finds nothing also tidies up; of a wait without time it is all there is.
    consumer.waitSync(looks === undefined ? Number.POSITIVE_INFINITY : 0);
  }
  note('satisfied');
}

function resizing(options: Options): Scenario {
  const { writers, looks, topology = 'spsc', mortal = false, fresh = false, startPosition = 0, prepare } = options;
  const bed = new RingBed({
    topology,
    producers: 1,
    consumers: 1,
    capacityBytes: CAPACITY,
    maxLevel: 1,
    startPosition,
  });
  const more: Deed[] = new Array(extra).fill('write');
  const all = writers.map(({ deeds, before }) => ({ deeds: [...deeds, ...more], before }));
  const total = all.reduce((sum, { deeds }) => sum + messagesIn(deeds), 0);
  const ending = writers.some(({ deeds }) => deeds.includes('end'));
  const isLeaving = writers[0]?.deeds.includes('leave') ?? false;
  const isProducerMortal = writers.length > 1 && !isLeaving;
  const producers = all.map((writer, index): Actor => {
    const begin = (): void => write(bed, index, writer);
    const name = `producer ${index + 1}`;
    if (index > 0) return { name, begin, [isLeaving ? 'afterEnd' : 'after']: `producer ${index}` };
    return { name, begin, prepared: !fresh, mortal: isProducerMortal };
  });
  const begin = (): void => read(bed, total, ending, options);
  const consumers: Actor[] = [{ name: 'consumer 1', begin, prepared: true, mortal }];
  if (mortal) consumers.push({ name: 'consumer 2', begin, after: 'consumer 1' });
  return {
    actors: [...producers, ...consumers],
    kills: mortal || isProducerMortal ? 1 : 0,
    prepare: (store) => {
      bed.prepare(store);
      prepare?.(store);
    },
    always: (_, store) => {
      if (store[place('trespasses')] !== 0) return 'somebody touches memory that is not reserved';
      const newer = (store[place('lane.segment')] as number) & 1;
      if (store[place('lane.reserved')] === 1 && bed.isMissing(store, 0, store[place(`lane.level${newer}`)] as number))
        return 'the newer segment is not reserved';
      return undefined;
    },
    atEnd: (seen, store) => judge(seen, store, writers, looks !== undefined),
  };
}

/** What may be left when nobody can make a step. */
function judge(
  actors: readonly Seen[],
  store: Store,
  writers: readonly Writer[],
  isShort: boolean,
): string | undefined {
  const ofKind = (kind: string): Seen[] => actors.filter(({ name }) => name.startsWith(kind));
  const producers = ofKind('producer');
  /** The last message that is known to have been published by each. */
  const committed = producers.map((seen, index) => {
    const { deeds, before = 0 } = writers[index] as Writer;
    const least = index * MESSAGES_OF + messagesIn(deeds.slice(0, before));
    return Math.max(least, ...noted(seen, 'committed'));
  });
  const isRight = (last: number, message: number): boolean => {
    if (message === last + 1) return true;
    const [from, to] = [Math.floor(last / MESSAGES_OF), Math.floor(message / MESSAGES_OF)];
    return to === from + 1 && message === to * MESSAGES_OF + 1 && last >= (committed[from] as number);
  };
  let last = 0;
  for (const reader of ofKind('consumer')) {
    const messages = noted(reader, 'read');
    // Those that a dead consumer has read come again, if it had not given them back.
    const [first] = messages;
    if (first !== undefined && first <= last) last = first - 1;
    for (const message of messages) {
      if (!isRight(last, message)) return `${reader.name} read message ${message} after ${last}`;
      last = message;
    }
    const isAtEnd = store[place('cursor.consumed')] === store[place('lane.published')];
    if (reader.state === 'asleep' && !isAtEnd) return `lost wake-up: ${reader.name} sleeps with something unread`;
    const lastCommitted = committed.findLast((message) => message % MESSAGES_OF > 0) as number;
    if (reader.state !== 'dead' && isAtEnd && last < lastCommitted)
      return `${reader.name} has left out ${lastCommitted}`;
  }
  const stuck = producers.find(({ state }) => state === 'asleep');
  if (stuck !== undefined && !isShort) return `lost wake-up: ${stuck.name} sleeps`;
  return undefined;
}

/** Every scenario by its name. */
export const scenarios: Readonly<Record<(typeof RESIZE_SCENARIOS)[number], () => Scenario>> = {
  'resize: grown while it is read': () =>
    resizing({ writers: [{ deeds: ['write', 'grow', 'write', 'write'], before: 1 }] }),
  'resize: grown and shrunk while it is read': () =>
    resizing({ writers: [{ deeds: ['write', 'grow', 'write', 'shrink', 'write'], before: 1 }], looks: 4 }),
  'resize: across 2^32': () =>
    resizing({
      writers: [{ deeds: ['write', 'write', 'grow', 'write'], before: 1 }],
      looks: 3,
      startPosition: 2 ** 32 - 16,
    }),
  'resize: flushed, read by copy': () =>
    resizing({ writers: [{ deeds: ['write', 'grow', 'flush', 'end'], before: 1 }], copying: true }),
  'resize: producer killed and succeeded': () =>
    resizing({
      writers: [{ deeds: ['write', 'grow', 'write'], before: 1 }, { deeds: ['write', 'write'] }],
      looks: 2,
    }),
  'resize: producer killed and succeeded, as it shrinks': () =>
    resizing({
      writers: [{ deeds: ['write', 'grow', 'write', 'shrink', 'write'], before: 3 }, { deeds: ['grow', 'write'] }],
      looks: 3,
    }),
  'resize: producer killed and succeeded, 2^31 bytes after its segment began': () =>
    resizing({
      writers: [{ deeds: ['write', 'grow', 'write'], before: 1 }, { deeds: ['write'] }],
      looks: 2,
      startPosition: 2 ** 31 + 64,
      prepare: (store) => {
        store[place('lane.begin0')] = 0;
      },
    }),
  'resize: successor killed as it ends the move of a dead one': () =>
    resizing({
      writers: [{ deeds: ['write'] }, { deeds: ['write'] }],
      looks: 2,
      fresh: true,
      prepare: (store) => {
        // It died when it had announced the segment, and not published the mark.
        for (const [word, value] of Object.entries({ segment: 1, begin1: 8, level1: 1, reserved: 1 }))
          store[place(`lane.${word}`)] = value;
        for (const level of [0, 1]) store[place(`pages of lane, level ${level}`)] = 1;
        store[place('lane, level 0 data 0')] = ~MOVED_ON;
      },
    }),
  'resize: a lane that has grown is given back': () =>
    resizing({
      topology: 'mpsc',
      writers: [{ deeds: ['write', 'grow', 'leave'], before: 2 }, { deeds: ['write'] }],
      looks: 2,
    }),
  'resize: consumer killed and succeeded': () =>
    resizing({ writers: [{ deeds: ['write', 'grow', 'write', 'write'], before: 1 }], looks: 2, mortal: true }),
};
