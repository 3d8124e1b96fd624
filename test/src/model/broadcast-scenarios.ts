import type { Actor, Scenario, Seen } from './explorer.ts';
import { place, type Store } from './places.ts';
import {
  consume,
  follow,
  messagesUpTo,
  noted,
  type Plan,
  produce,
  type Reading,
  type Waiting,
} from './topology-actors.ts';
import { RingBed } from './topology-bed.ts';
import type { BROADCAST_SCENARIOS } from './topology-names.ts';

/*
 * One writes, everybody reads, and the writer waits for the slowest who is there.
 */

/** A consumer, or one who comes in the place of another. */
interface Reader extends Reading {
  /** It is there before the search begins. */
  readonly prepared?: boolean;
  readonly mortal?: boolean;
  /** The reader, counted from 0, whose place it takes: when that one has been killed, or has left. */
  readonly successorOf?: number;
}

interface Options {
  readonly readers: readonly Reader[];
  readonly producerWaiting?: Waiting;
  readonly producerMortal?: boolean;
  readonly preemptions?: number;
  readonly prepare?: (store: Store) => void;
}

function broadcast(plan: Plan, { readers, producerWaiting, producerMortal = false, preemptions, prepare }: Options): Scenario {
  const bed = new RingBed(plan);
  const nameOf = (reader: number): string => `consumer ${reader + 1}`;
  const producer = (): Promise<void> => produce(bed, plan, producerWaiting);
  const actors: Actor[] = readers.map(({ prepared = false, mortal = false, successorOf, ...reading }, index) => {
    const predecessor = successorOf === undefined ? undefined : (readers[successorOf] as Reader);
    const comes = successorOf === undefined ? {} : { [predecessor?.mortal ? 'after' : 'afterEnd']: nameOf(successorOf) };
    return { name: nameOf(index), begin: () => consume(bed, plan, reading), prepared, mortal, ...comes };
  });
  // Consumers that are there from the beginning come before the first message is written.
  actors.push({ name: 'producer', begin: producer, prepared: true, mortal: producerMortal });
  if (producerMortal) actors.push({ name: 'producer 2', begin: producer, after: 'producer' });
  return {
    actors,
    kills: actors.some(({ mortal }) => mortal) ? 1 : 0,
    ...(preemptions === undefined ? {} : { preemptions }),
    prepare: (store) => {
      bed.prepare(store);
      prepare?.(store);
    },
    atEnd: (seen, store) => judge(seen, store, plan),
  };
}

/** What may be left when nobody can make a step. */
export function judge(actors: readonly Seen[], store: Store, plan: Plan): string | undefined {
  const published = messagesUpTo(store[place('lane.published')] as number, plan);
  for (const seen of actors) {
    for (const message of noted(seen, 'committed'))
      if (message > published) return `message ${message} was committed by ${seen.name}, but is not published`;
    if (seen.name.startsWith('producer')) continue;
    const { wrong, next } = follow(seen, plan);
    if (wrong !== undefined) return wrong;
    if (noted(seen, 'evicted').length > 0 && !(plan.maxLagBytes ?? 0)) return `${seen.name} was passed over`;
    if (seen.state !== 'asleep') continue;
    if (next !== undefined && next <= published) return `lost wake-up: ${seen.name} sleeps with ${next} unread`;
    if (next === undefined && (noted(seen, 'not after')[0] ?? 0) < published)
      return `lost wake-up: ${seen.name} sleeps with everything unread`;
  }
  for (const { name, state } of actors)
    if (name.startsWith('producer') && state === 'asleep') return `${name} waits for room that nobody needs`;
  if (actors.every(({ name, state }) => !name.startsWith('producer') || state === 'ended') && published < plan.messages)
    return `${published} of ${plan.messages} messages were published`;
  return undefined;
}

const extra = Number(process.env.MEMLANE_MODEL_BOUND ?? 0);
const plan = (messages: number, more: Partial<Plan> = {}): Plan => ({
  topology: 'broadcast',
  producers: 1,
  consumers: 1,
  capacityBytes: 32,
  ...more,
  messages: messages + extra,
});
const NAME = 'log';
const AWAY = 2 ** 31 + 64;

/** Every scenario by its name. */
export const scenarios: Readonly<Record<(typeof BROADCAST_SCENARIOS)[number], () => Scenario>> = {
  'broadcast: two consumers': () =>
    broadcast(plan(2, { consumers: 2 }), { readers: [{ prepared: true }, { prepared: true }] }),
  'broadcast: consumer killed': () => broadcast(plan(3), { readers: [{ prepared: true, mortal: true }] }),
  'broadcast: consumer killed, event loops': () =>
    broadcast(plan(3), {
      readers: [{ prepared: true, mortal: true, waiting: 'event loop' }],
      producerWaiting: 'event loop',
    }),
  'broadcast: a late consumer, from the oldest': () =>
    broadcast(plan(4, { before: 2 }), { readers: [{ from: 'oldest' }] }),
  'broadcast: a late consumer, from now': () => broadcast(plan(4, { before: 2 }), { readers: [{ from: 'now' }] }),
  'broadcast: producer killed and succeeded, a late consumer': () =>
    broadcast(plan(3, { before: 2 }), { readers: [{ from: 'oldest' }], producerMortal: true }),
  'broadcast: consumer killed and succeeded': () =>
    broadcast(plan(3), { readers: [{ prepared: true, mortal: true }, { from: 'oldest', successorOf: 0 }] }),
  'broadcast: a name, its consumer killed and succeeded': () =>
    broadcast(plan(3, { name: NAME }), {
      readers: [
        { prepared: true, mortal: true, name: NAME },
        { name: NAME, place: 0, successorOf: 0 },
      ],
    }),
  'broadcast: a name that is not kept, its consumer killed and succeeded': () =>
    broadcast(plan(3, { name: NAME }), {
      readers: [
        { prepared: true, mortal: true, name: NAME, retain: 'nothing' },
        { name: NAME, retain: 'nothing', place: 0, successorOf: 0 },
      ],
    }),
  'broadcast: a name kept for some bytes, its consumer killed and succeeded': () =>
    broadcast(plan(3, { name: NAME, keptBytes: 16 }), {
      readers: [
        { prepared: true, mortal: true, name: NAME, retain: 16 },
        { name: NAME, retain: 16, place: 0, successorOf: 0 },
      ],
    }),
  'broadcast: a name, its consumer leaves': () =>
    broadcast(plan(3, { name: NAME }), {
      readers: [
        { prepared: true, name: NAME, leavesAfter: 1 },
        { name: NAME, place: 0, successorOf: 0 },
      ],
    }),
  'broadcast: a name that was away for 2^31 bytes': () =>
    broadcast(plan(3, { name: NAME, startPosition: AWAY, before: 1 }), {
      readers: [{ name: NAME, retain: 'nothing', from: 'oldest' }],
      prepare: (store) => {
        // Its owner left when the stream was young.
        store[place('name.nameBytes')] = NAME.length;
        store[place('name.retention')] = 0;
        store[place('cursor.consumed')] = 0;
      },
    }),
  'broadcast: a slow consumer passed over': () =>
    broadcast(plan(3, { maxLagBytes: 16 }), { readers: [{ prepared: true }] }),
};
