import { Action, type Delivery, FULL, type Handler, type WorkConsumer, type WorkProducer } from '@memlane/ring';
import type { Actor, Scenario, Seen } from './explorer.ts';
import { enlarge, type Store } from './places.ts';
import {
  cellState,
  checkpoint,
  liveOn,
  note,
  openModelQueue,
  PAYLOAD_WORDS,
  prepareQueue,
  type WorkShape,
} from './work-bed.ts';
import type { WorkScenarioName } from './work-names.ts';

/*
 * Messages have words that tell which they are, so that one that is torn, stale or another's cannot look right. Consumers
 * never end: a schedule is over when all who live sleep, and then nothing may be left.
 */

const wordOf = (message: number, word: number): number => message * 16 + word + 1;

interface Writing {
  /** Claims a commit. Default 1. */
  readonly batch?: number;
  /** Messages that are there before the others begin. */
  readonly before?: readonly number[];
  readonly ending?: boolean;
  /** Whether the producer lives on. */
  readonly staying?: boolean;
  /** Whether the stream has ended before the others begin. */
  readonly ended?: boolean;
}

/** Which producer wrote it, where several do and that matters. */
const streamOf = (message: number): number => Math.trunc(message / 10);

/** Claims as many of these as there is room for, up to `batch`, and writes them; returns how many. */
function claim(producer: WorkProducer, messages: readonly number[], batch: number): number {
  let claimed = 0;
  for (const message of messages.slice(0, batch)) {
    const offset = producer.tryClaim(PAYLOAD_WORDS * 4, message);
    if (offset === FULL) break;
    for (let word = 0; word < PAYLOAD_WORDS; word++) producer.view.i32[(offset >> 2) + word] = wordOf(message, word);
    claimed += 1;
  }
  return claimed;
}

/** Writes messages, and waits for room where there is none. */
function produce(shape: WorkShape, messages: readonly number[], options: Writing = {}): void {
  const { batch = 1, before = [], ending = false, ended = false } = options;
  const producer: WorkProducer = openModelQueue(shape).producer({ wait: 'park' });
  claim(producer, before, before.length);
  producer.commit();
  if (ended) producer.end();
  note('attached');
  for (const message of before) note('committed', message);
  for (let next = 0; next < messages.length; ) {
    checkpoint(producer, next);
    let claimed = claim(producer, messages.slice(next), batch);
    if (claimed === 0) {
      producer.waitSync();
      continue;
    }
    producer.commit();
    for (; claimed > 0; claimed--) note('committed', messages[next++]);
  }
  if (ending) producer.end();
  note('done');
  if (options.staying) liveOn();
}

/** Has written `before`, or claimed `batch`, when the others begin; then commits, and writes `more` one by one. Never waits. */
function overtake(shape: WorkShape, { before = [], batch = [], more = [] }: Partial<Record<string, number[]>>): void {
  const producer: WorkProducer = openModelQueue(shape).producer({ wait: 'park' });
  claim(producer, before, before.length);
  producer.commit();
  claim(producer, batch, batch.length);
  note('attached');
  const commit = (messages: readonly number[]): void => {
    producer.commit();
    for (const message of messages) note('committed', message);
  };
  if (batch.length > 0) commit(batch);
  for (const message of more) {
    checkpoint(producer, message);
    if (claim(producer, [message], 1) === 0) break;
    commit([message]);
  }
}

const checked: Handler = (view, offset, length, type) => {
  if (length !== PAYLOAD_WORDS * 4) throw new Error(`message ${type} has ${length} bytes`);
  for (let word = 0; word < PAYLOAD_WORDS; word++) {
    const value = view.i32[(offset >> 2) + word];
    if (value !== wordOf(type, word)) throw new Error(`word ${word} of message ${type} is ${value}`);
  }
};

function attach(shape: WorkShape): WorkConsumer {
  const consumer: WorkConsumer = openModelQueue(shape).consumer({ wait: 'park' });
  note('attached');
  return consumer;
}

/** Handles messages for as long as it lives; gives back the first ones. */
function consume(shape: WorkShape, ending = false): void {
  const consumer = attach(shape);
  const handler: Handler = (view, offset, length, type) => {
    note('taken', type);
    checked(view, offset, length, type);
    note('handled', type);
    return Action.BREAK;
  };
  for (;;) {
    checkpoint(consumer);
    if (consumer.poll(handler) > 0) continue;
    if (ending && consumer.isEnded) break;
    consumer.waitSync();
  }
  note('satisfied');
}

/** Has taken one message before the others begin, handles it, and does nothing more. */
function finishOne(shape: WorkShape): void {
  const delivery = openModelQueue(shape).consumer({ wait: 'park' }).tryTake() as Delivery;
  note('taken', delivery.type);
  checked(delivery.view, delivery.offset, delivery.length, delivery.type);
  note('handled', delivery.type);
  delivery.ack();
}

/** Has handled some messages before the others begin; then takes what is there, and does not wait. */
function look(shape: WorkShape, before: number): void {
  const consumer: WorkConsumer = openModelQueue(shape).consumer({ wait: 'park' });
  consumer.poll(checked, before);
  note('attached');
  consumer.poll((view, offset, length, type) => {
    checked(view, offset, length, type);
    note('taken', type);
  });
}

/** Takes messages and fails at each, for ever. */
function failAll(shape: WorkShape): void {
  const consumer = attach(shape);
  for (;;) {
    checkpoint(consumer);
    const delivery = consumer.tryTake();
    if (delivery === null) {
      consumer.waitSync();
      continue;
    }
    checked(delivery.view, delivery.offset, delivery.length, delivery.type);
    note('taken', delivery.type);
    note('given back', delivery.type);
    delivery.nack();
  }
}

/** Takes one message if there is one, gives it back, and does nothing more. */
function giveBackOne(shape: WorkShape): void {
  const consumer = attach(shape);
  const delivery = consumer.tryTake();
  if (delivery === null) return;
  note('taken', delivery.type);
  note('given back', delivery.type);
  delivery.nack();
}

/** Takes one message, before the others begin, and keeps it. */
function keep(shape: WorkShape): void {
  const delivery = openModelQueue(shape).consumer({ wait: 'park' }).tryTake();
  note('kept', delivery?.type);
  liveOn();
}

const EVENTS_A_MESSAGE = 'handled';
const DEAD = 6;
const FREE = 0;
const READY = 2;

interface Rules {
  /** Whether dead letters count as done with. */
  readonly letters?: boolean;
  /** Whether the stream ends. */
  readonly ending?: boolean;
}

/** What may be left when nobody can make a step: nothing that was committed and not handled. */
function judge(
  actors: readonly Seen[],
  store: Store,
  { letters = false, ending = false }: Rules = {},
): string | undefined {
  const values = (event: string): number[] =>
    actors.flatMap(({ notes }) => notes.filter((each) => each.event === event).map(({ value }) => value));
  const [handled, kept] = [values(EVENTS_A_MESSAGE), values('kept')];
  const died = actors.some(({ state }) => state === 'dead');
  const givenBack = values('given back').length > 0;
  const consumers = actors.filter(({ name, state }) => name.startsWith('consumer') && state !== 'dead');
  const held = [...Array(2).keys()].map((cell) => cellState(store, cell));
  if (consumers.every(({ notes }) => notes.some(({ event }) => event === 'kept'))) return undefined;
  for (const [cell, state] of held.entries()) {
    if (state === FREE || (letters && state === DEAD)) continue;
    if (state === 3 && kept.length > 0) continue;
    return `cell ${cell} is left in state ${state}`;
  }
  for (const { name, state, notes } of actors) {
    if (name.startsWith('producer') && state === 'asleep' && !notes.some(({ event }) => event === 'done'))
      return `lost wake-up: ${name} sleeps with room`;
    if (ending && name.startsWith('consumer') && state === 'asleep')
      return `lost wake-up: ${name} sleeps at the end of the stream`;
  }
  if (!letters)
    for (const message of values('committed'))
      if (!handled.includes(message) && !kept.includes(message)) return `message ${message} was never handled`;
  const repeated = handled.find((message, index) => handled.indexOf(message) !== index);
  if (repeated !== undefined && !died) return `message ${repeated} was handled twice`;
  const taken = values('taken').length - values('given back').length;
  if (!died && !givenBack && taken > handled.length + kept.length) return 'a message was taken twice';
  return undefined;
}

/** What may never be: two who have the same message in hand. */
function exclusive(actors: readonly Seen[]): string | undefined {
  const inHand = actors
    .filter(({ name, state }) => name.startsWith('consumer') && state !== 'dead')
    .map(({ name, notes }) => ({ name, last: notes.at(-1) }))
    .filter(({ last }) => last?.event === 'taken');
  const [one, two] = inHand;
  if (one === undefined || two === undefined || one.last?.value !== two.last?.value) return undefined;
  return `${one.name} and ${two.name} have message ${one.last?.value} at a time`;
}

/** What may never be: a consumer that has had a later message of the same producer already. */
function ordered(actors: readonly Seen[]): string | undefined {
  for (const { name, notes } of actors) {
    const taken = notes.filter(({ event }) => event === 'taken').map(({ value }) => value);
    for (const [index, message] of taken.entries()) {
      const later = taken.slice(0, index).find((one) => streamOf(one) === streamOf(message) && one >= message);
      if (later !== undefined) return `${name} has message ${message} after ${later}`;
    }
  }
  return undefined;
}

/** What may be left when nobody waits: each message that was committed and not taken. */
function complete(actors: readonly Seen[], store: Store, cells: number): string | undefined {
  const count = (event: string): number =>
    actors.flatMap(({ notes }) => notes.filter((each) => each.event === event)).length;
  const left = [...Array(cells).keys()].filter((cell) => cellState(store, cell) === READY).length;
  const [committed, taken] = [count('committed'), count('taken')];
  // Who dies in the middle of a commit has made some of it visible.
  const died = actors.some(({ state }) => state === 'dead');
  if (died ? committed <= taken + left : committed === taken + left) return undefined;
  return `${committed} messages were committed, ${taken} taken, and ${left} are left`;
}

interface Cast extends Rules {
  readonly shape?: WorkShape;
  readonly kills?: number;
  readonly actors: (shape: WorkShape) => readonly Actor[];
}

function scene({ shape = {}, kills = 0, actors, ...rules }: Cast): Scenario {
  return {
    actors: actors(shape),
    kills,
    prepare: (store) => prepareQueue(store, shape),
    always: exclusive,
    atEnd: (seen, store) => judge(seen, store, rules),
  };
}

const extra = Number(process.env.MEMLANE_MODEL_BOUND ?? 0);
const upTo = (last: number, first = 1): number[] =>
  Array.from({ length: last + 1 - first + extra }, (_, index) => first + index);
const actor = (name: string, begin: () => void, more: Partial<Actor> = {}): Actor => ({
  name,
  begin,
  prepared: more.after === undefined && more.afterEnd === undefined,
  ...more,
});
const mortal = { mortal: true };

interface Passing {
  /** What is claimed at first, and committed when others have gone round the queue, or not. */
  readonly batch: number[];
  /** What fills the queue behind that, and has been handled. */
  readonly others: number[];
  /** What is written meanwhile. */
  readonly more: number[];
  /** Who may be killed; the consumer comes then. */
  readonly killed?: string;
  /** Whose end the consumer waits for. */
  readonly afterEnd?: string;
  readonly startPosition?: number;
}

/** A producer is slow to commit; another one goes round the queue, and so passes its cells, in the middle of whatever it does. */
function passedBatch({ batch, others, more, killed, afterEnd, startPosition = 0 }: Passing): Scenario {
  enlarge(192);
  const shape: WorkShape = { cells: 4, startPosition };
  const producer = (name: string, begin: () => void): Actor => actor(name, begin, { mortal: name === killed });
  // It has been there before, all the same.
  const when = { ...(killed && { after: killed }), ...(afterEnd && { afterEnd }), prepared: true };
  return {
    actors: [
      producer('producer 1', () => overtake(shape, { batch })),
      producer('producer 2', () => overtake(shape, { before: others, more })),
      actor('consumer', () => look(shape, others.length), when),
    ],
    kills: killed === undefined ? 0 : 1,
    prepare: (store) => prepareQueue(store, shape),
    always: ordered,
    atEnd: (seen, store) => complete(seen, store, 4),
  };
}

/** Every scenario by its name. MEMLANE_MODEL_BOUND adds so many messages to those with one stream. */
export const scenarios: Readonly<Record<WorkScenarioName, () => Scenario>> = {
  'work: one to one': () =>
    scene({ actors: (at) => [actor('producer', () => produce(at, upTo(3))), actor('consumer', () => consume(at))] }),
  'work: one to one, across 2^32': () =>
    scene({
      shape: { startPosition: 2 ** 32 - 2 },
      actors: (at) => [
        actor('producer', () => produce(at, upTo(3, 2), { before: [1] })),
        actor('consumer', () => consume(at)),
      ],
    }),
  'work: two messages for two': () =>
    scene({
      actors: (at) => [
        actor('producer', () => produce(at, [], { before: [1, 2] })),
        actor('consumer 1', () => consume(at)),
        actor('consumer 2', () => consume(at)),
      ],
    }),
  'work: two producers': () =>
    scene({
      actors: (at) => [
        actor('producer 1', () => produce(at, [1])),
        actor('producer 2', () => produce(at, [2])),
        actor('consumer', () => consume(at), { afterEnd: 'producer 1' }),
      ],
    }),
  'work: consumer killed': () =>
    scene({
      kills: 1,
      actors: (at) => [
        actor('producer', () => produce(at, [], { before: [1] })),
        actor('consumer 1', () => consume(at), mortal),
        actor('consumer 2', () => consume(at)),
      ],
    }),
  'work: somebody else killed': () =>
    scene({
      kills: 1,
      actors: (at) => [
        actor('producer', () => produce(at, [], { before: [1], staying: true }), mortal),
        actor('consumer 1', () => finishOne(at)),
        actor('consumer 2', () => consume(at)),
      ],
    }),
  'work: consumer killed and succeeded': () =>
    scene({
      kills: 1,
      actors: (at) => [
        actor('producer', () => produce(at, upTo(2, 2), { before: [1] })),
        actor('consumer', () => consume(at), mortal),
        actor('consumer 2', () => consume(at), { after: 'consumer' }),
      ],
    }),
  'work: producer killed': () =>
    scene({
      kills: 1,
      actors: (at) => [actor('producer', () => produce(at, upTo(2)), mortal), actor('consumer', () => consume(at))],
    }),
  'work: producer killed in a batch': () =>
    scene({
      kills: 1,
      actors: (at) => [
        actor('producer', () => produce(at, upTo(2), { batch: 2 }), mortal),
        actor('consumer', () => consume(at)),
      ],
    }),
  'work: given back': () =>
    scene({
      actors: (at) => [
        actor('producer', () => produce(at, [], { before: [1, 2] })),
        actor('consumer 1', () => giveBackOne(at)),
        actor('consumer 2', () => consume(at)),
      ],
    }),
  'work: given back by one who is killed': () =>
    scene({
      kills: 1,
      actors: (at) => [
        actor('producer', () => produce(at, [], { before: [1] })),
        actor('consumer 1', () => giveBackOne(at), mortal),
        actor('consumer 2', () => consume(at)),
      ],
    }),
  'work: delivered too often': () =>
    scene({
      shape: { maxDeliveries: 2 },
      letters: true,
      kills: 1,
      actors: (at) => [
        actor('producer', () => produce(at, [], { before: [1] })),
        actor('consumer 1', () => giveBackOne(at), mortal),
        actor('consumer 2', () => failAll(at)),
      ],
    }),
  'work: a slow consumer': () =>
    scene({
      actors: (at) => [
        actor('producer', () => produce(at, upTo(3, 3), { before: [1, 2] })),
        actor('consumer 1', () => keep(at)),
        actor('consumer 2', () => consume(at)),
      ],
    }),
  'work: a stream that ends': () =>
    scene({
      ending: true,
      actors: (at) => [
        actor('producer', () => produce(at, upTo(1), { ending: true })),
        actor('consumer', () => consume(at, true)),
      ],
    }),
  'work: a stream that has ended': () =>
    scene({
      ending: true,
      actors: (at) => [
        actor('producer', () => produce(at, [], { before: [1], ended: true })),
        actor('consumer 1', () => consume(at, true)),
        actor('consumer 2', () => consume(at, true)),
      ],
    }),
  'work: a batch that is passed': () => passedBatch({ batch: [1, 2], others: [11, 12], more: [13] }),
  'work: a batch that is passed, across 2^32': () =>
    passedBatch({ batch: [1, 2], others: [11, 12], more: [13], startPosition: 2 ** 32 - 4, afterEnd: 'producer 1' }),
  'work: a batch that is passed, its producer killed': () =>
    passedBatch({ batch: [1, 2], others: [11, 12], more: [13], killed: 'producer 1' }),
  'work: a batch that is passed by one who is killed': () =>
    passedBatch({ batch: [1, 2], others: [11, 12], more: [13], killed: 'producer 2' }),
  'work: a batch of three that is passed': () =>
    passedBatch({ batch: [1, 2, 3], others: [11], more: [12], afterEnd: 'producer 1' }),
};
