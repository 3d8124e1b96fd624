import type { Producer } from '@memlane/ring';
import { checkpoint, note } from './cell-bed.ts';
import type { Seen } from './explorer.ts';
import { claim, noted } from './topology-actors.ts';
import type { RingBed } from './topology-bed.ts';

/*
 * Those who write into a lane that grows and shrinks. Messages are headers without payload, so that there is room for one of
 * them, and a mark, in the smaller segment, and for three in the larger. A producer has a number, and its messages tell
 * whose they are.
 */

/** The length that is none, of a mark. */
export const MOVED_ON = -2;
export const CAPACITY = 16;
export const LENGTH = 0;
export const MESSAGES_OF = 16;

/**
 * What a producer does next: a resize that is refused, because what was before the last one is not read yet, is left out, unless
 * it has to be; so is a message that is
 * only tried and finds no room; one that is sure to find some does not wait.
 */
export type Deed =
  | 'write'
  | 'write surely'
  | 'try'
  | 'grow'
  | 'shrink'
  | 'grow surely'
  | 'shrink surely'
  | 'flush'
  | 'end'
  | 'leave';

export interface Writer {
  readonly deeds: readonly Deed[];
  /** How many of them are done before the search begins. */
  readonly before?: number;
}

export const messagesIn = (deeds: readonly Deed[]): number => deeds.filter((deed) => deed.startsWith('write')).length;

/** @param onDone is told each message that is written. */
export function write(
  bed: RingBed,
  index: number,
  { deeds, before = 0 }: Writer,
  onDone?: (message: number) => void,
): void {
  const producer = bed.open().producer({ wait: 'park' });
  let message = index * MESSAGES_OF;
  for (const [at, deed] of deeds.entries()) {
    checkpoint(producer, at, message);
    const isWritten = act(producer, deed, message + 1, at);
    if (isWritten) message += 1;
    if (isWritten) onDone?.(message);
    if (at + 1 === before) note('attached');
    if (isWritten && at >= before) note('committed', message);
  }
}

/** Whether it has written a message. */
function act(producer: Producer, deed: Deed, message: number, at: number): boolean {
  if (deed === 'end') producer.end();
  else if (deed === 'leave') producer.close();
  else if (deed === 'flush') producer.flushSync();
  else if (deed.startsWith('grow')) resize(producer, 2 * CAPACITY, deed.endsWith('surely'));
  else if (deed.startsWith('shrink')) resize(producer, CAPACITY, deed.endsWith('surely'));
  else {
    while (!claim(producer, message, LENGTH)) {
      if (deed === 'try') return false;
      if (deed === 'write surely') throw new Error('no room');
      producer.waitSync(Number.POSITIVE_INFINITY, LENGTH);
      checkpoint(producer, at, message - 1);
    }
    producer.commit();
    return true;
  }
  return false;
}

function resize(producer: Producer, capacityBytes: number, isSure: boolean): void {
  try {
    producer.resize(capacityBytes);
  } catch (error) {
    if (isSure || (error as { code?: string }).code !== 'ERR_MEMLANE_BUSY') throw error;
  }
}

/** The last message that is known to have been published by a writer. */
export function lastCommitted(seen: Seen, index: number, { deeds, before = 0 }: Writer): number {
  const least = index * MESSAGES_OF + messagesIn(deeds.slice(0, before));
  return Math.max(least, ...noted(seen, 'committed'));
}

/** Whether a message may come after that one: the next of its writer, or the first of the successor. */
export function follows(last: number, message: number, committed: readonly number[]): boolean {
  if (message === last + 1) return true;
  const [from, to] = [Math.floor(last / MESSAGES_OF), Math.floor(message / MESSAGES_OF)];
  return to === from + 1 && message === to * MESSAGES_OF + 1 && last >= (committed[from] as number);
}
