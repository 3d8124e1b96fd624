import type { ConsumerOptions } from '@memlane/ring';
import { checkpoint, note } from './cell-bed.ts';
import type { Actor, Scenario, Seen } from './explorer.ts';
import { place, type Store } from './places.ts';
import { CAPACITY, type Deed, follows, LENGTH, lastCommitted, type Writer, write } from './resize-actors.ts';
import { extra, noted, readerOf } from './topology-actors.ts';
import { loadWord, RingBed } from './topology-bed.ts';
import type { GROWTH_SCENARIOS } from './topology-names.ts';

/*
 * A lane that everybody reads, and that grows and shrinks while they read, come, and go. Where a message was is noted when it
 * has been written: with marks in between it does not follow from its number.
 */

const NAME = 'log';

interface Reader extends Pick<ConsumerOptions, 'from' | 'name' | 'retain'> {
  /** It is there before the search begins. */
  readonly prepared?: boolean;
  readonly mortal?: boolean;
  /** The reader, counted from 0, whose place and name it takes when that one has been killed. */
  readonly successorOf?: number;
  /** It never sleeps, and ends after so many looks. Default: it sleeps, and stays. */
  readonly looks?: number;
}

interface Options {
  /** The second comes when the first was killed, or has left, if it does. */
  readonly writers: readonly Writer[];
  readonly readers: readonly Reader[];
  readonly topology?: 'broadcast' | 'bus';
  readonly startPosition?: number;
  readonly prepare?: (store: Store) => void;
}

function read(bed: RingBed, cursor: string, { looks, prepared, ...reader }: Reader): void {
  const { from, name, retain, successorOf } = reader;
  const word = (name: string): number => loadWord(`lane.${name}`);
  if (successorOf !== undefined) note('left at', loadWord(`${cursor}.consumed`));
  const before = [word('tail'), word('published')] as const;
  const onLoss = (): void => note('lost');
  const consumer = bed.open().consumer({ wait: 'park', onLoss, from, name, retain });
  note('began at', loadWord(`${cursor}.consumed`));
  for (const [index, value] of [...before, word('tail'), word('published')].entries())
    note(['tail before', 'published before', 'tail after', 'published after'][index] as string, value);
  note('attached');
  let newest = 0;
  const handler = readerOf(
    () => LENGTH,
    (message) => {
      newest = message;
    },
  );
  for (let look = 0; look !== looks; ) {
    checkpoint(consumer, newest, look);
    if (looks !== undefined) look += 1;
    if (consumer.poll(handler) === 0 && looks === undefined) consumer.waitSync();
  }
  note('satisfied');
}

/** More deeds, before it leaves. */
function withMore(deeds: readonly Deed[], more: readonly Deed[]): Deed[] {
  const isLeaving = deeds.at(-1) === 'leave';
  return isLeaving ? [...deeds.slice(0, -1), ...more, 'leave'] : [...deeds, ...more];
}

function growing({ writers: given, readers, topology = 'broadcast', startPosition = 0, prepare }: Options): Scenario {
  const more: Deed[] = new Array(extra).fill('try');
  const writers = given.map((writer) => ({ ...writer, deeds: withMore(writer.deeds, more) }));
  const consumers = readers.filter(({ successorOf }) => successorOf === undefined).length;
  const names = readers.some(({ name }) => name !== undefined) ? { name: NAME } : {};
  const bed = new RingBed({
    topology,
    producers: 1,
    consumers,
    capacityBytes: CAPACITY,
    maxLevel: 1,
    startPosition,
    ...names,
  });
  const isLeaving = writers[0]?.deeds.includes('leave') ?? false;
  const isMortal = writers.length > 1 && !isLeaving;
  const cursorOf = (reader: number): string => bed.cursor(0, readers[reader]?.successorOf ?? reader);
  const onDone = (message: number): void => note(`end of ${message}`, loadWord('lane.published'));
  // Consumers that are there from the beginning come before the first message is written.
  const actors = readers.map((reader, index): Actor => {
    const { prepared = false, mortal = false, successorOf } = reader;
    const begin = (): void => read(bed, cursorOf(index), reader);
    const comes = successorOf === undefined ? {} : { after: `consumer ${successorOf + 1}` };
    return { name: `consumer ${index + 1}`, begin, prepared, mortal, ...comes };
  });
  for (const [index, writer] of writers.entries()) {
    const comes = { [isLeaving ? 'afterEnd' : 'after']: `producer ${index}` };
    const begin = (): void => write(bed, index, writer, onDone);
    const name = `producer ${index + 1}`;
    actors.push(index > 0 ? { name, begin, ...comes } : { name, begin, prepared: true, mortal: isMortal });
  }
  return {
    actors,
    kills: actors.some(({ mortal }) => mortal) ? 1 : 0,
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
    atEnd: (seen, store) => judge(seen, store, writers, cursorOf, bed),
  };
}

/** What may be left when nobody can make a step. */
function judge(
  actors: readonly Seen[],
  store: Store,
  writers: readonly Writer[],
  cursorOf: (reader: number) => string,
  bed: RingBed,
): string | undefined {
  const word = (name: string): number => store[place(name)] as number;
  const ofKind = (kind: string): Seen[] => actors.filter(({ name }) => name.startsWith(kind));
  const producers = ofKind('producer');
  const readers = ofKind('consumer');
  const committed = producers.map((seen, index) => lastCommitted(seen, index, writers[index] as Writer));
  /** Where the messages began of which that is known. */
  const begins = new Map<number, number>();
  for (const { notes } of producers)
    for (const { event, value } of notes)
      if (event.startsWith('end of ')) begins.set(Number(event.slice(7)), (value - 8) | 0);
  for (const [index, reader] of readers.entries()) {
    const wrong = misread(reader, begins, committed);
    if (wrong !== undefined) return wrong;
    const isAtEnd = word(`${cursorOf(index)}.consumed`) === word('lane.published');
    if (reader.state === 'asleep' && !isAtEnd) return `lost wake-up: ${reader.name} sleeps with something unread`;
  }
  const isSomebodyBehind = readers.some(({ state }) => state === 'ended');
  const stuck = producers.find(({ state }) => state === 'asleep');
  if (stuck !== undefined && !isSomebodyBehind) return `${stuck.name} waits for what nobody needs`;
  if (producers.some(({ state }) => state !== 'ended') || writers.length > 1) return undefined;
  for (const level of [0, 1])
    if (bed.isMissing(store, 0, level) === [word('lane.level0'), word('lane.level1')].includes(level))
      return `level ${level} is reserved and not in use, or the other way round`;
  const pair = word('lane.turn') & 1;
  const written = [...begins.values()].filter((begin) => ((begin - word(`lane.tail${pair}`)) | 0) < 0).length;
  const counted = word(`lane.records${pair}`);
  return counted === written ? undefined : `the tail has passed ${written} messages, and says ${counted}`;
}

/** What is wrong with where a reader began, and with what it has read. */
function misread(reader: Seen, begins: ReadonlyMap<number, number>, committed: readonly number[]): string | undefined {
  const [start] = noted(reader, 'began at');
  if (start === undefined) return undefined; // it has not come
  const isBehind = (later: number, earlier: number): boolean => ((later - earlier) | 0) < 0;
  const isLost = noted(reader, 'lost').length > 0;
  const [left] = noted(reader, 'left at');
  const [oldest, , , newest] = ['tail before', 'published before', 'tail after', 'published after'].map(
    (event) => noted(reader, event)[0] as number,
  );
  if (left !== undefined && !isLost && start !== left) return `${reader.name} does not go on where its name left off`;
  if (newest !== undefined && isBehind(newest, start)) return `${reader.name} began behind what was published`;
  if ((left === undefined || isLost) && isBehind(start, oldest as number))
    return `${reader.name} began before the tail`;
  const messages = noted(reader, 'read');
  const isAsleep = reader.state === 'asleep';
  const firstAt = messages[0] === undefined ? undefined : begins.get(messages[0]);
  if (firstAt !== undefined && isBehind(firstAt, start))
    return `${reader.name} read message ${messages[0]}, before it began`;
  for (const [message, at] of begins) {
    const isBefore = firstAt === undefined ? messages.length === 0 && isAsleep : isBehind(at, firstAt);
    if (!isBehind(at, start) && isBefore) return `${reader.name} has left out ${message}`;
  }
  for (const [at, message] of messages.entries())
    if (at > 0 && !follows(messages[at - 1] as number, message, committed))
      return `${reader.name} read message ${message} after ${messages[at - 1]}`;
  return undefined;
}

const grown: Deed[] = ['write', 'grow'];

/** Every scenario by its name. */
export const scenarios: Readonly<Record<(typeof GROWTH_SCENARIOS)[number], () => Scenario>> = {
  'growth: two consumers': () =>
    growing({
      writers: [{ deeds: [...grown, 'write', 'shrink'], before: 1 }],
      readers: [
        { prepared: true, looks: 1 },
        { prepared: true, looks: 2 },
      ],
    }),
  'growth: consumers that sleep': () =>
    growing({
      writers: [{ deeds: [...grown, 'flush', 'shrink surely'], before: 1 }],
      readers: [{ prepared: true }],
    }),
  'growth: a late consumer, from the oldest, as it grows': () =>
    growing({ writers: [{ deeds: [...grown, 'write'], before: 1 }], readers: [{ from: 'oldest', looks: 2 }] }),
  'growth: a late consumer, from the oldest, when a third segment is wanted': () =>
    growing({
      writers: [{ deeds: [...grown, 'write', 'shrink'], before: 3 }],
      readers: [{ from: 'oldest', looks: 2 }],
    }),
  'growth: a late consumer, from now': () =>
    growing({
      writers: [{ deeds: [...grown, 'write'], before: 1 }],
      readers: [{ from: 'now', looks: 2 }],
    }),
  'growth: a late consumer, killed': () =>
    growing({
      writers: [{ deeds: [...grown, 'write', 'shrink'], before: 3 }],
      readers: [{ from: 'oldest', mortal: true, looks: 1 }],
    }),
  'growth: consumer killed that holds the older segment': () =>
    growing({
      writers: [{ deeds: [...grown, 'flush', 'shrink surely'], before: 2 }],
      readers: [{ prepared: true, mortal: true }],
    }),
  'growth: consumer killed that there is no room behind': () =>
    growing({
      writers: [{ deeds: ['grow', 'write', 'write', 'shrink', 'write', 'try'], before: 5 }],
      readers: [{ prepared: true, mortal: true, looks: 1 }],
    }),
  'growth: producer killed and succeeded': () =>
    growing({
      writers: [{ deeds: grown, before: 1 }, { deeds: ['write', 'shrink'] }],
      readers: [{ prepared: true, looks: 1 }],
    }),
  'growth: producer killed and succeeded, a late consumer': () =>
    growing({
      writers: [{ deeds: grown, before: 1 }, { deeds: ['shrink'] }],
      readers: [{ from: 'oldest', looks: 1 }],
    }),
  'growth: a name, its consumer killed and succeeded': () =>
    growing({
      writers: [{ deeds: [...grown, 'shrink'], before: 2 }],
      readers: [
        { prepared: true, mortal: true, name: NAME, looks: 1 },
        { name: NAME, successorOf: 0, looks: 1 },
      ],
    }),
  'growth: a name kept for some bytes, its consumer killed and succeeded': () =>
    growing({
      writers: [{ deeds: [...grown, 'shrink'], before: 2 }],
      readers: [
        { prepared: true, mortal: true, name: NAME, retain: 16, looks: 1 },
        { name: NAME, retain: 16, successorOf: 0, from: 'oldest', looks: 1 },
      ],
    }),
  'growth: a late consumer, 2^31 bytes after its segment began': () =>
    growing({
      writers: [{ deeds: [...grown, 'try'], before: 1 }],
      readers: [{ from: 'oldest', looks: 2 }],
      startPosition: 2 ** 31 + 64,
      prepare: (store) => {
        store[place('lane.begin0')] = 0;
      },
    }),
  'growth: a lane of a bus that has grown is given back': () =>
    growing({
      topology: 'bus',
      writers: [{ deeds: [...grown, 'write surely', 'write surely', 'leave'], before: 2 }, { deeds: ['write'] }],
      readers: [{ prepared: true, looks: 2 }],
    }),
};
