import { Action, type Consumer, openRing, type WaitStrategy } from 'memlane';
import { CAPACITY } from '../ring/conformance/bed.ts';
import { nameOf } from './named.ts';
import type { Known } from './stock.ts';

/*
 * Uses a ring file of which nothing is known as any program would, and looks at what comes of it: no more messages than
 * there is room for, none outside the data, no error without a name.
 */

/** What came of it. */
export interface Examination {
  /** The code of the error that ended it, if one did. */
  readonly refused?: string;
  readonly messages: readonly Known[];
}

/** How it is read. */
export const READINGS = ['poll', 'poll and act', 'tryRead', 'iterate'] as const;
export type Reading = (typeof READINGS)[number];

/** What the producer writes when everything else has been read. */
export const LAST: Known = { type: -2, data: Buffer.from('the last') };

/** Opens, observes, reads everything, writes, reads that, ends. */
export async function examine(path: string, reading: Reading, wait: WaitStrategy): Promise<Examination> {
  const messages: Known[] = [];
  const failures: string[] = [];
  const attempt = (action: () => void): void => {
    try {
      action();
    } catch (error) {
      failures.push(nameOf(error));
    }
  };
  attempt(() => {
    using observer = openRing(path, { access: 'read' });
    observer.statistics();
  });
  try {
    using ring = openRing(path);
    ring.statistics();
    using consumer = ring.consumer({ wait });
    if (wait !== 'event') consumer.waitSync(0);
    await readAll(consumer, reading, messages);
    using producer = ring.producer({ wait });
    producer.isPeerAlive();
    if (wait !== 'event') producer.waitSync(0, producer.maxMessageBytes);
    if (!producer.tryWrite(LAST.data, LAST.type)) throw new Error('an empty ring is full');
    await readAll(consumer, reading, messages);
    if (wait !== 'event' && consumer.waitSync(reading === 'poll' ? 1 : 0)) throw new Error('a message out of nothing');
    producer.end();
    if (!consumer.isEnded || !consumer.waitSync(0)) throw new Error('the end of the stream is not seen');
    ring.statistics();
  } catch (error) {
    failures.push(nameOf(error, { reading, wait }));
  }
  return { refused: failures[0], messages };
}

async function readAll(consumer: Consumer, reading: Reading, into: Known[]): Promise<void> {
  if (reading === 'iterate') return iterate(consumer, into);
  let aborted = -1;
  for (let empty = 0; empty < 2; ) {
    const before = into.length;
    if (reading === 'tryRead') {
      const message = consumer.tryRead();
      if (message !== null) take(message.data, 0, message.data.length, message.type, into);
    } else if (reading === 'poll')
      consumer.poll(({ u8 }, offset, length, type) => take(u8, offset, length, type, into, true));
    else {
      consumer.poll(({ u8 }, offset, length, type) => {
        if (into.length % 3 === 2 && aborted !== into.length) {
          aborted = into.length;
          return Action.ABORT;
        }
        take(u8, offset, length, type, into, true);
        return into.length % 4 === 0 ? Action.COMMIT : into.length % 5 === 0 ? Action.BREAK : Action.CONTINUE;
      }, 7);
    }
    empty = into.length === before ? empty + 1 : 0;
  }
}

async function iterate(consumer: Consumer, into: Known[]): Promise<void> {
  const quiet = new AbortController();
  let timer = setImmediate(() => quiet.abort());
  try {
    for await (const { data, type } of consumer.messages({ signal: quiet.signal })) {
      take(data, 0, data.length, type, into);
      clearImmediate(timer);
      timer = setImmediate(() => quiet.abort());
    }
  } catch (error) {
    if (error !== quiet.signal.reason) throw error;
  } finally {
    clearImmediate(timer);
  }
}

/** Copies a message, and looks whether it lies where a message may lie. */
function take(from: Uint8Array, offset: number, length: number, type: number, into: Known[], inPlace = false): void {
  const fits =
    length >= 0 &&
    length <= CAPACITY - 8 &&
    (!inPlace || (offset >= 8 && offset % 8 === 0 && offset < CAPACITY + 8 && from.length === 2 * CAPACITY));
  if (!fits || !Number.isInteger(offset + length + type)) throw new Error(`a message of ${length} bytes at ${offset}`);
  if (into.length > CAPACITY / 8) throw new Error('more messages than there is room for');
  into.push({ type, data: from.slice(offset, offset + length) });
}

/** Where two lists of messages begin to differ, or undefined. */
export function difference(found: readonly Known[], expected: readonly Known[]): string | undefined {
  for (let n = 0; n < Math.max(found.length, expected.length); n++) {
    const [one, other] = [found[n], expected[n]];
    if (one === undefined) return `message ${n} of ${expected.length} is missing`;
    if (other === undefined) return `message ${n} was never written`;
    if (one.type !== other.type) return `message ${n} has type ${one.type} instead of ${other.type}`;
    if (Buffer.compare(one.data, other.data) !== 0) return `message ${n} differs`;
  }
  return undefined;
}
