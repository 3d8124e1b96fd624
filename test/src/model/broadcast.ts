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

/*
 * One writes, everybody reads: who takes part, and what must hold in the end.
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
  readonly prepare?: (store: Store) => void;
}

/** One producer, or two of which the second comes when the first was killed, and consumers. */
export function broadcast(
  plan: Plan,
  { readers, producerWaiting, producerMortal = false, prepare }: Options,
): Scenario {
  const bed = new RingBed(plan);
  const nameOf = (reader: number): string => `consumer ${reader + 1}`;
  const producer = (): Promise<void> => produce(bed, plan, producerWaiting);
  const actors: Actor[] = readers.map(({ prepared = false, mortal = false, successorOf, ...reading }, index) => {
    const predecessor = successorOf === undefined ? undefined : (readers[successorOf] as Reader);
    const comes =
      successorOf === undefined ? {} : { [predecessor?.mortal ? 'after' : 'afterEnd']: nameOf(successorOf) };
    return { name: nameOf(index), begin: () => consume(bed, plan, reading), prepared, mortal, ...comes };
  });
  // Consumers that are there from the beginning come before the first message is written.
  actors.push({ name: 'producer', begin: producer, prepared: true, mortal: producerMortal });
  if (producerMortal) actors.push({ name: 'producer 2', begin: producer, after: 'producer' });
  return {
    actors,
    kills: actors.some(({ mortal }) => mortal) ? 1 : 0,
    prepare: (store) => {
      bed.prepare(store);
      prepare?.(store);
    },
    atEnd: (seen, store) => judge(seen, store, plan),
  };
}

/** What may be left when nobody can make a step. */
function judge(actors: readonly Seen[], store: Store, plan: Plan): string | undefined {
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
  const gaveUp = plan.refusals !== undefined;
  if (
    !gaveUp &&
    actors.every(({ name, state }) => !name.startsWith('producer') || state === 'ended') &&
    published < plan.messages
  )
    return `${published} of ${plan.messages} messages were published`;
  return undefined;
}
