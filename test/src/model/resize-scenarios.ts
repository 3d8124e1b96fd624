import { checkpoint, note } from './cell-bed.ts';
import type { Actor, Scenario, Seen } from './explorer.ts';
import { place, type Store } from './places.ts';
import {
  CAPACITY,
  type Deed,
  follows,
  LENGTH,
  lastCommitted,
  MESSAGES_OF,
  MOVED_ON,
  messagesIn,
  type Writer,
  write,
} from './resize-actors.ts';
import { extra, noted, readerOf } from './topology-actors.ts';
import { RingBed } from './topology-bed.ts';
import type { RESIZE_SCENARIOS } from './topology-names.ts';

/*
 * A lane for one consumer that grows and shrinks while it is read.
 */

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
  const committed = producers.map((seen, index) => lastCommitted(seen, index, writers[index] as Writer));
  let last = 0;
  for (const reader of ofKind('consumer')) {
    const messages = noted(reader, 'read');
    // Those that a dead consumer has read come again, if it had not given them back.
    const [first] = messages;
    if (first !== undefined && first <= last) last = first - 1;
    for (const message of messages) {
      if (!follows(last, message, committed)) return `${reader.name} read message ${message} after ${last}`;
      last = message;
    }
    const isAtEnd = store[place('cursor.consumed')] === store[place('lane.published')];
    if (reader.state === 'asleep' && !isAtEnd) return `lost wake-up: ${reader.name} sleeps with something unread`;
    const newest = committed.findLast((message) => message % MESSAGES_OF > 0) as number;
    if (reader.state !== 'dead' && isAtEnd && last < newest) return `${reader.name} has left out ${newest}`;
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
