import type { WaitStrategy } from '@memlane/core';
import { type Consumer, type ConsumerOptions, FULL, type Handler, type Loss, type Producer } from '@memlane/ring';
import { HEADER_BYTES } from '@memlane/ring/layout';
import { checkpoint, note } from './cell-bed.ts';
import type { Seen } from './explorer.ts';
import { loadWord, type RingBed, type RingShape } from './topology-bed.ts';

/*
 * Those who write and read in the scenarios of rings with many ends, and what they tell the judge. Message k has a length
 * that alternates and words that tell k, so that one that is torn, stale or misplaced cannot look right.
 */

export type Waiting = 'thread' | 'event loop';
const strategyOf: Record<Waiting, WaitStrategy> = { thread: 'park', 'event loop': 'event' };

/** A stream of messages through one lane. */
export interface Plan extends RingShape {
  readonly messages: number;
  /** How many of them are there before the search begins. Default none. */
  readonly before?: number;
  /** Payload bytes of the messages, in turns. Default 8 and 12. */
  readonly lengths?: readonly number[];
  /** The producer never sleeps: after so many claims that found no room it writes no more. */
  readonly refusals?: number;
}

const lengthOf = ({ lengths = [8, 12] }: Plan, message: number): number => lengths[message % lengths.length] as number;
const bytesOf = (plan: Plan, message: number): number => HEADER_BYTES + ((lengthOf(plan, message) + 7) & -8);
const wordOf = (message: number, word: number): number => message * 16 + word + 1;

/** MEMLANE_MODEL_BOUND: so many messages more in each stream. */
export const extra: number = Number(process.env.MEMLANE_MODEL_BOUND ?? 0);

/** Bytes of the first so many messages in the ring. */
function bytesUpTo(plan: Plan, messages: number): number {
  let bytes = 0;
  for (let message = 1; message <= messages; message++) bytes += bytesOf(plan, message);
  return bytes;
}

/** How many messages end before a position. */
export function messagesUpTo(position: number, plan: Plan): number {
  const bytes = (position - (plan.startPosition ?? 0)) | 0;
  let messages = 0;
  while (bytesUpTo(plan, messages) < bytes) messages += 1;
  if (bytesUpTo(plan, messages) !== bytes) throw new Error(`No message ends at position ${position}`);
  return messages;
}

/** Claims a message and fills it; returns whether there was room. */
export function claim(producer: Producer, message: number, length: number): boolean {
  const offset = producer.tryClaim(length, message);
  if (offset === FULL) return false;
  for (let word = 0; word * 4 < length; word++) producer.view.i32[(offset >> 2) + word] = wordOf(message, word);
  return true;
}

/** Writes the messages that are missing, one a commit; waits for room. */
export async function produce(bed: RingBed, plan: Plan, waiting: Waiting = 'thread'): Promise<void> {
  const producer = bed.open().producer({ wait: strategyOf[waiting] });
  const published = messagesUpTo(loadWord('lane.published'), plan);
  const { before = 0, refusals } = plan;
  let refused = 0;
  if (published >= before) note('attached');
  for (let message = published + 1; message <= plan.messages; message++) {
    const length = lengthOf(plan, message);
    checkpoint(producer, message, refused);
    while (!claim(producer, message, length)) {
      if (refusals !== undefined) {
        if (refused === refusals) return;
        refused += 1;
      } else if (waiting === 'thread') producer.waitSync(Number.POSITIVE_INFINITY, length);
      else await producer.wait({ length });
      checkpoint(producer, message, refused);
    }
    producer.commit();
    if (message > before) note('committed', message);
    if (message === before) note('attached');
  }
}

/** Notes every message; fails at one whose words are not its own. */
export function readerOf(length: (message: number) => number, onMessage: (message: number) => void): Handler {
  return (view, offset, bytes, type) => {
    if (bytes !== length(type)) throw new Error(`message ${type} has ${bytes} bytes instead of ${length(type)}`);
    for (let word = 0; word * 4 < bytes; word++) {
      const value = view.i32[(offset >> 2) + word];
      if (value !== wordOf(type, word)) throw new Error(`word ${word} of message ${type} is ${value}`);
    }
    note('read', type);
    onMessage(type);
  };
}

export interface Reading extends Pick<ConsumerOptions, 'from' | 'name' | 'retain'> {
  readonly waiting?: Waiting;
  /** Whether it reads by copying one message at a time. */
  readonly copying?: boolean;
  /** It never sleeps, and ends after so many looks. */
  readonly looks?: number;
  /** It leaves when it has read so many. */
  readonly leavesAfter?: number;
  /** Whose place it is to take, for the judge: what its cursor says is noted first. */
  readonly place?: number;
}

/** Reads for as long as it lives, or until it has had the last message. */
export async function consume(bed: RingBed, plan: Plan, reading: Reading = {}): Promise<void> {
  const {
    waiting = 'thread',
    copying = false,
    leavesAfter = Number.POSITIVE_INFINITY,
    looks,
    place,
    ...options
  } = reading;
  if (place !== undefined) note('left at', loadWord(`${bed.cursor(0, place)}.consumed`));
  const [published, tail] = [loadWord('lane.published'), loadWord('lane.tail')];
  const onLoss = ({ records = 0, bytes }: Loss): void => {
    if (options.name !== undefined && options.retain === undefined) throw new Error('lost what was to be kept');
    note('lost', records);
    note('lost bytes', bytes);
  };
  const consumer: Consumer = bed.open().consumer({ wait: strategyOf[waiting], onLoss, ...options });
  // What was there when it began to come, and when it had come.
  const seen = [published, loadWord('lane.published'), tail, loadWord('lane.tail')] as const;
  note('attached');
  for (const [index, event] of (['now', 'now', 'oldest', 'oldest'] as const).entries())
    if (options.from === event)
      note(index % 2 === 0 ? 'not before' : 'not after', messagesUpTo(seen[index] as number, plan));
  let [count, last] = [0, 0];
  const handler = readerOf(
    (message) => lengthOf(plan, message),
    (message) => {
      count += 1;
      last = message;
    },
  );
  const read = (): number => (copying ? readCopy(consumer, handler) : consumer.poll(handler));
  let look = 0;
  while (last < plan.messages && count < leavesAfter && look !== looks) {
    checkpoint(consumer, count, last, look);
    if (looks !== undefined) look += 1;
    try {
      if (read() > 0 || looks !== undefined) continue;
      if (waiting === 'thread') consumer.waitSync();
      else await consumer.wait();
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_MEMLANE_EVICTED') throw error;
      note('evicted');
      break;
    }
  }
  if (count >= leavesAfter) consumer.close();
  note('satisfied');
}

function readCopy(consumer: Consumer, handler: Handler): number {
  const message = consumer.tryRead();
  if (message === null) return 0;
  const { data, type } = message;
  const i32 = new Int32Array(Uint8Array.from(data).buffer);
  handler({ i32 } as never, 0, data.length, type);
  return 1;
}

/** What an actor has noted of one kind. */
export function noted({ notes }: Seen, event: string): number[] {
  return notes.filter((each) => each.event === event).map(({ value }) => value);
}

/** What is wrong with what a consumer has read and lost, which must be one message after the other; and what comes next. */
export function follow(seen: Seen, plan: Plan): { wrong?: string; next?: number } {
  const { name, notes } = seen;
  const [earliest = 0] = noted(seen, 'not before');
  const [latest = earliest] = noted(seen, 'not after');
  // The first is not known exactly of somebody who comes while messages are written.
  let [least, most] = [earliest + 1, latest + 1];
  let lostRecords = 0;
  for (const { event, value } of notes) {
    if (event === 'left at') least = most = messagesUpTo(value, plan) + 1;
    if (event === 'lost') lostRecords = value;
    // Of a stream that was young when its reader left nobody knows how many these were.
    if (event === 'lost bytes' && (lostRecords > 0 || noted(seen, 'left at').length > 0)) {
      const [from, before] = [least, bytesUpTo(plan, least - 1)];
      // Of a name that was not kept only the bytes are known.
      const records =
        lostRecords > 0 ? lostRecords : messagesUpTo((plan.startPosition ?? 0) + before + value, plan) - from + 1;
      least += records;
      most += records;
      const bytes = bytesUpTo(plan, least - 1) - before;
      if (bytes !== value) return { wrong: `${name} lost ${value} bytes instead of ${bytes}, before message ${least}` };
    }
    if (event !== 'read') continue;
    if (value < least || value > most) return { wrong: `${name} read message ${value} instead of ${least} to ${most}` };
    least = most = value + 1;
  }
  return least === most ? { next: least } : {};
}
