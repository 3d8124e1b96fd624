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
 * it has to be.
 */
export type Deed = 'write' | 'grow' | 'shrink' | 'grow surely' | 'shrink surely' | 'flush' | 'end' | 'leave';

export interface Writer {
  readonly deeds: readonly Deed[];
  /** How many of them are done before the search begins. */
  readonly before?: number;
}

export const messagesIn = (deeds: readonly Deed[]): number => deeds.filter((deed) => deed === 'write').length;

/** @param onDone is told each deed, and the last message by then. */
export function write(
  bed: RingBed,
  index: number,
  { deeds, before = 0 }: Writer,
  onDone?: (deed: Deed, message: number) => void,
): void {
  const producer = bed.open().producer({ wait: 'park' });
  let message = index * MESSAGES_OF;
  for (const [at, deed] of deeds.entries()) {
    checkpoint(producer, at, message);
    if (deed === 'write') message += 1;
    act(producer, deed, message, at);
    onDone?.(deed, message);
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
  } else resize(producer, deed.startsWith('grow') ? 2 * CAPACITY : CAPACITY, deed.endsWith('surely'));
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
