import { checkpoint, note } from './cell-bed.ts';
import type { Actor, Scenario, Seen } from './explorer.ts';
import { place, type Store } from './places.ts';
import { claim, extra, noted, readerOf, type Waiting } from './topology-actors.ts';
import { RingBed, type RingShape } from './topology-bed.ts';
import type { LANE_SCENARIOS } from './topology-names.ts';

/*
 * A lane for each producer, whose memory is reserved when the producer comes and punched out when it is gone and everything
 * was read. A producer has a number, and its messages tell whose they are.
 */

const LENGTH = 8;
const MESSAGES_OF = 16;
const NAME = 'log';

interface Writer {
  /** Messages that it writes. */
  readonly messages: number;
  /** How many of them are there before the search begins. */
  readonly before?: number;
  readonly prepared?: boolean;
  readonly mortal?: boolean;
  /** The writer, counted from 0, after whose death or leaving it comes. */
  readonly after?: number;
  readonly ending?: boolean;
  /** It gives its place back in the end. */
  readonly leaving?: boolean;
  /** It has done all that before the search begins. */
  readonly gone?: boolean;
}

interface Options {
  readonly lanes: number;
  readonly writers: readonly Writer[];
  /** Looks of each consumer, which never sleeps. Default: it sleeps, and reads for as long as anything may come. */
  readonly looks?: number;
  readonly topology?: 'mpsc' | 'bus';
  /** Whether the consumer may be killed; of two, the second one. */
  readonly mortal?: boolean;
  /** Default 1. */
  readonly consumers?: number;
  /** The consumers stay, asleep so, when they have read everything, and tidy up. */
  readonly staying?: Waiting;
  /** Whether lanes are kept for a name, in the place behind the consumers', until somebody removes it. */
  readonly removing?: boolean;
}

function write(bed: RingBed, index: number, { messages, before = 0, prepared, ending, leaving, gone }: Writer): void {
  const producer = bed.open().producer({ wait: 'park' });
  if (prepared && before === 0 && !gone) note('attached');
  for (let count = 1; count <= messages; count++) {
    checkpoint(producer, count);
    const message = index * MESSAGES_OF + count;
    while (!claim(producer, message, LENGTH)) {
      producer.waitSync(Number.POSITIVE_INFINITY, LENGTH);
      checkpoint(producer, count);
    }
    producer.commit();
    if (ending && count === messages) producer.end();
    if (count === before) note('attached');
    if (!gone) note('committed', message);
  }
  if (leaving || gone) producer.close();
  if (gone) note('gone');
  else if (!leaving) note('stays');
}

function read(bed: RingBed, total: number, ending: boolean, looks: number | undefined, bus: boolean): void {
  const consumer = bed.open().consumer({ wait: 'park', ...(bus ? { from: 'oldest' } : {}) });
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
    if (consumer.poll(handler) > 0) continue;
    if (ending ? consumer.isEnded : count >= total) break;
    // A look that finds nothing also tidies up; of a wait without time it is all there is.
    consumer.waitSync(looks === undefined ? Number.POSITIVE_INFINITY : 0);
  }
  note('satisfied');
}

/** Reads whatever comes, asleep in between. */
async function stay(bed: RingBed, bus: boolean, waiting: Waiting, hasRead: boolean): Promise<void> {
  const wait = waiting === 'thread' ? 'park' : 'event';
  const consumer = bed.open().consumer({ wait, ...(bus ? { from: 'oldest' } : {}) });
  if (!hasRead) note('attached');
  const handler = readerOf(
    () => LENGTH,
    () => {},
  );
  for (;;) {
    checkpoint(consumer);
    if (consumer.poll(handler) > 0) continue;
    if (waiting === 'thread') consumer.waitSync();
    else await consumer.wait();
  }
}

function lanes({
  lanes: count,
  writers,
  looks,
  topology = 'mpsc',
  mortal: isConsumerMortal = false,
  consumers = 1,
  staying,
  removing = false,
}: Options): Scenario {
  const places = removing ? { consumers: consumers + 1, name: NAME } : { consumers };
  const shape: RingShape = { topology, producers: count, ...places, capacityBytes: 32 };
  const bus = topology === 'bus';
  const bed = new RingBed(shape);
  const total = writers.reduce((sum, { messages }) => sum + messages + extra, 0);
  const ending = writers.some((writer) => writer.ending);
  const actors: Actor[] = writers.map((writer, index): Actor => {
    const { prepared = false, mortal = false, after, messages } = writer;
    const comes =
      after === undefined ? {} : { [writers[after]?.mortal ? 'after' : 'afterEnd']: `producer ${after + 1}` };
    const begin = (): void => write(bed, index, { ...writer, messages: messages + extra });
    return { name: `producer ${index + 1}`, begin, prepared, mortal, ...comes };
  });
  for (let index = 0; index < consumers; index++) {
    const mortal = isConsumerMortal && index === consumers - 1;
    actors.push({
      name: consumers === 1 ? 'consumer' : `consumer ${index + 1}`,
      begin: () =>
        staying ? stay(bed, bus, staying, isConsumerMortal && !mortal) : read(bed, total, ending, looks, bus),
      prepared: true,
      mortal,
    });
  }
  if (removing) actors.push({ name: 'remover', begin: () => void bed.open().removeCursor(NAME) });
  return {
    actors,
    kills: actors.some(({ mortal }) => mortal) ? 1 : 0,
    prepare: (store) => {
      bed.prepare(store);
      if (!removing) return;
      store[place(`name ${consumers + 1}.nameBytes`)] = NAME.length;
      store[place(`name ${consumers + 1}.retention`)] = 2;
      for (let lane = 0; lane < count; lane++) store[place(`${bed.cursor(lane, consumers)}.state`)] = 5;
    },
    always: (_, store) => {
      if (store[place('trespasses')] !== 0) return 'somebody touches memory that is not reserved';
      for (let lane = 0; lane < count; lane++)
        if (store[place(`${bed.lane(lane)}.reserved`)] === 1 && store[place(`pages of ${bed.lane(lane)}`)] === 0)
          return `${bed.lane(lane)} says that it is reserved, and is not`;
      return undefined;
    },
    atEnd: (seen, store) =>
      judge(seen, store, bed, count, looks !== undefined, ending) ??
      (staying ? untidy(seen, store, bed, count) : undefined),
  };
}

/** What may be left when nobody can make a step. */
function judge(
  actors: readonly Seen[],
  store: Store,
  bed: RingBed,
  count: number,
  isShort: boolean,
  ending: boolean,
): string | undefined {
  const writers = actors.filter(({ name }) => name.startsWith('producer'));
  for (const reader of actors.filter(({ name }) => name.startsWith('consumer'))) {
    for (const [index, writer] of writers.entries()) {
      const messages = noted(reader, 'read').filter((message) => Math.floor(message / MESSAGES_OF) === index);
      for (const [at, message] of messages.entries())
        if (message !== index * MESSAGES_OF + at + 1)
          return `${reader.name} read message ${message} of ${writer.name} as number ${at + 1}`;
      if (!isShort && reader.state !== 'dead' && messages.length < noted(writer, 'committed').length)
        return `${reader.name} ${reader.state === 'asleep' ? 'sleeps, and ' : ''}has not read all of ${writer.name}`;
    }
    const isOver = writers.every(({ state }) => state === 'dead' || state === 'ended');
    const saidSo = writers.some((writer) => writer.state === 'ended');
    if (reader.state === 'asleep' && ending && isOver && saidSo)
      return `${reader.name} sleeps at the end of the stream`;
  }
  const readers = actors.filter(({ name }) => name === 'consumer');
  const stuck = writers.find(({ state }) => state === 'asleep');
  if (bed.isBroadcast && stuck !== undefined && readers.every(({ state }) => state === 'dead'))
    return `${stuck.name} waits for room that nobody needs`;
  for (let lane = 0; lane < count; lane++) {
    const word = (name: string): number => store[place(name)] as number;
    const [reserved, published] = [word(`${bed.lane(lane)}.reserved`), word(`${bed.lane(lane)}.published`)];
    const isCounted = actors.some(({ name, state }) => name === 'consumer' && state !== 'dead');
    if (isCounted && reserved === 0 && word(`${bed.cursor(lane, 0)}.consumed`) !== published)
      return `${bed.lane(lane)} is gone, and not all of it was read`;
  }
  return undefined;
}

/** What is left of lanes when nobody writes and everybody who is there sleeps. */
function untidy(actors: readonly Seen[], store: Store, bed: RingBed, count: number): string | undefined {
  const isGone = ({ state, notes }: Seen): boolean =>
    state === 'dead' || (state === 'ended' && notes.at(-1)?.event !== 'stays');
  const isOver = actors.every((actor) => !actor.name.startsWith('producer') || isGone(actor));
  if (!isOver) return undefined;
  for (let lane = 0; lane < count; lane++)
    if (store[place(`${bed.lane(lane)}.reserved`)] !== 0) return `${bed.lane(lane)} is kept for nobody`;
  return undefined;
}

/** Every scenario by its name. */
export const scenarios: Readonly<Record<(typeof LANE_SCENARIOS)[number], () => Scenario>> = {
  'mpsc: two producers': () =>
    lanes({
      lanes: 2,
      writers: [
        { messages: 1, prepared: true },
        { messages: 1, prepared: true },
      ],
    }),
  'mpsc: a producer comes': () =>
    lanes({ lanes: 2, writers: [{ messages: 1, before: 1, prepared: true }, { messages: 1 }] }),
  'mpsc: producer killed, streams that end': () =>
    lanes({
      lanes: 2,
      writers: [
        { messages: 1, before: 1, prepared: true, mortal: true, leaving: true },
        { messages: 1, before: 1, prepared: true, ending: true },
      ],
    }),
  'mpsc: producers come and go': () =>
    lanes({
      lanes: 1,
      writers: [
        { messages: 1, before: 1, prepared: true, leaving: true },
        { messages: 1, after: 0, leaving: true },
      ],
      looks: 3,
    }),
  'mpsc: producer killed and succeeded': () =>
    lanes({
      lanes: 1,
      writers: [
        { messages: 2, before: 1, prepared: true, mortal: true },
        { messages: 1, after: 0 },
      ],
      looks: 2,
    }),
  'bus: consumer killed, a producer comes': () =>
    lanes({
      lanes: 1,
      topology: 'bus',
      writers: [
        { messages: 1, before: 1, prepared: true, leaving: true },
        { messages: 3, after: 0 },
      ],
      looks: 1,
      mortal: true,
    }),
  'mpsc: a lane is given back, event loop': () =>
    lanes({
      lanes: 1,
      writers: [{ messages: 1, before: 1, prepared: true, mortal: true, leaving: true }],
      staying: 'event loop',
    }),
  'mpsc: a producer is killed as it comes': () =>
    lanes({ lanes: 1, writers: [{ messages: 0, mortal: true }], staying: 'thread' }),
  'bus: a lane is given back, event loops': () =>
    lanes({
      lanes: 1,
      topology: 'bus',
      writers: [{ messages: 1, prepared: true, gone: true }],
      consumers: 2,
      staying: 'event loop',
    }),
  'bus: a lane is kept for somebody who is killed, event loops': () =>
    lanes({
      lanes: 1,
      topology: 'bus',
      writers: [{ messages: 1, prepared: true, gone: true }],
      consumers: 2,
      staying: 'event loop',
      mortal: true,
    }),
  'bus: a lane is kept for a name that is removed, event loop': () =>
    lanes({
      lanes: 1,
      topology: 'bus',
      writers: [{ messages: 1, prepared: true, gone: true }],
      staying: 'event loop',
      removing: true,
    }),
  'bus: producers come and go': () =>
    lanes({
      lanes: 1,
      topology: 'bus',
      writers: [
        { messages: 1, before: 1, prepared: true, leaving: true },
        { messages: 1, after: 0, leaving: true },
      ],
      looks: 2,
    }),
};
