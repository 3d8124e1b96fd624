import { deepStrictEqual, ok, rejects, strictEqual } from 'node:assert';
import { PAGE_SIZE } from '@memlane/linux';
import {
  attachRing,
  attachWorkQueue,
  type ConsumerOptions,
  createAnonymousRing,
  createAnonymousWorkQueue,
  createRing,
  createWorkQueue,
  type Ring,
  type RingDescriptor,
  type RingShape,
  type WaitStrategy,
  type WorkQueueDescriptor,
  type WorkQueueStatistics,
} from 'memlane';
import type { Received } from '../consumer-end.ts';
import type { Ends, Place } from '../places.ts';

/** What holds the bytes of a ring. */
export type Backing = 'a file in memory' | 'an anonymous file' | 'a file on disk';

/** Smallest ring there is, so that everything wraps often. */
export const CAPACITY: number = Math.max(4096, PAGE_SIZE);

/** What not every ring promises. */
type Promised =
  /** The producer waits for who reads slowly; nothing is lost. */
  | 'waiting'
  /** A consumer's place is kept for its successor. */
  | 'succession'
  /** Room is counted in bytes, and given back in the order of messages, a batch at a time. */
  | 'lanes'
  /** One producer and one consumer at a time. */
  | 'one each';

/** Who writes and who reads, and how they must be asked for it. */
export interface Kind {
  readonly shape: RingShape;
  readonly reading: ConsumerOptions;
  readonly promises: readonly Promised[];
}

/** A consumer of this name finds its place again where many read everything. */
const READER: ConsumerOptions = { name: 'reader', from: 'oldest' };

export type KindName =
  | 'spsc'
  | 'mpsc'
  | 'broadcast'
  | 'broadcast, overwriting'
  | 'broadcast, evicting'
  | 'bus'
  | 'work queue';

/** Every topology; one producer and one consumer find the same in each, but for what is promised. */
export const kinds: Readonly<Record<KindName, Kind>> = {
  spsc: { shape: {}, reading: {}, promises: ['waiting', 'succession', 'lanes', 'one each'] },
  mpsc: { shape: { topology: 'mpsc', producers: 3 }, reading: {}, promises: ['waiting', 'succession', 'lanes'] },
  broadcast: {
    shape: { topology: 'broadcast', consumers: 3 },
    reading: READER,
    promises: ['waiting', 'succession', 'lanes'],
  },
  'broadcast, overwriting': {
    shape: { topology: 'broadcast', consumers: 3, overwrite: true },
    reading: { from: 'oldest' },
    promises: ['lanes'],
  },
  'broadcast, evicting': {
    shape: { topology: 'broadcast', consumers: 3, maxLagBytes: CAPACITY },
    reading: READER,
    promises: ['waiting', 'succession', 'lanes'],
  },
  bus: {
    shape: { topology: 'bus', producers: 3, consumers: 3 },
    reading: READER,
    promises: ['waiting', 'succession', 'lanes'],
  },
  'work queue': { shape: { producers: 3, consumers: 3 }, reading: {}, promises: ['waiting', 'succession'] },
};

/** Messages that a work queue of these cases has room for. */
const CELLS = 16;

/** One ring on which every case runs. */
export interface Medium {
  readonly kind: KindName;
  readonly backing: Backing;
  /** Where the positions begin. */
  readonly start: number;
  readonly folder: string;
}

/** A fresh ring and its two ends, for one case. */
export interface Bed {
  readonly place: Place;
  readonly kind: Kind;
  /** The ring as a third party has it, who holds no place in it. */
  readonly ring: Ring;
  readonly producer: Ends['producer'];
  readonly consumer: Ends['consumer'];
  /** Takes both places, with those wait strategies. */
  open(wait?: { producer?: WaitStrategy; consumer?: WaitStrategy }): Promise<void>;
}

/** One thing that every ring must do. */
export interface Case {
  readonly name: string;
  readonly run: (bed: Bed) => Promise<void>;
  /** Where it makes sense; default everywhere. One thread cannot wake itself while it is blocked. */
  readonly places?: readonly Place[];
  /** What the ring must promise; default nothing. */
  readonly needs?: readonly Promised[];
}

/** Whether a case makes sense with the ends there and with a ring of that kind. */
export function appliesTo({ places, needs = [] }: Case, place: Place, kind: KindName): boolean {
  const { promises } = kinds[kind];
  return places?.includes(place) !== false && needs.every((promise) => promises.includes(promise));
}

/** Where a blocked end does not block the other. */
export const APART: readonly Place[] = ['worker threads', 'processes'];

/** Makes the ring of a case. */
export function makeRing({ kind, backing, start }: Medium, path: string): Ring {
  const { shape } = kinds[kind];
  if (kind === 'work queue') {
    // Its positions count messages: it wraps when it is full for the first time.
    const startPosition = start === 0 ? 0 : start + 96 - CELLS / 2;
    const plan = { ...shape, capacity: CELLS, messageBytes: CAPACITY - 8, startPosition };
    const queue = backing === 'an anonymous file' ? createAnonymousWorkQueue(plan) : createWorkQueue(path, plan);
    return queue as unknown as Ring; // the same verbs; of what it has not, cases say that they need it
  }
  const plan = { ...shape, capacityBytes: CAPACITY, startPosition: start };
  return backing === 'an anonymous file' ? createAnonymousRing(plan) : createRing(path, plan);
}

/** A ring that another thread or process has, as {@link makeRing}. */
export function attach(descriptor: RingDescriptor | WorkQueueDescriptor): Ring {
  return descriptor.type === 'memlane.work' ? (attachWorkQueue(descriptor) as unknown as Ring) : attachRing(descriptor);
}

/** Messages that nobody is done with, where each takes so many bytes of a ring. */
export function undone(ring: Ring, recordBytes: number): number {
  const { backlogBytes, ...rest } = ring.statistics();
  if (backlogBytes !== undefined) return backlogBytes / recordBytes;
  const { ready, claimed, returned } = rest as unknown as WorkQueueStatistics;
  return ready + claimed + returned;
}

/** A text that is recognised, of at least that many bytes. */
export function text(n: number, bytes = 0): string {
  return `message ${n} `.padEnd(bytes, '.');
}

/** The texts of messages. */
export function textsOf(messages: readonly Received[]): string[] {
  return messages.map(({ data }) => Buffer.from(data).toString());
}

/** Checks that the call is refused with that code, and that the message holds those words. */
export async function refuses(code: string, call: Promise<unknown>, ...words: readonly string[]): Promise<void> {
  await rejects(call, (error: { code?: string; message: string; remedy?: string }) => {
    strictEqual(error.code, code, `${error.code}: ${error.message}`);
    for (const word of words) ok(error.message.includes(word), `'${word}' is missing in: ${error.message}`);
    if (code.startsWith('ERR_MEMLANE'))
      ok(error.remedy !== undefined && error.message.endsWith(error.remedy), `no remedy in: ${error.message}`);
    return true;
  });
}

/** Waits until a condition holds; what could be observed but not be waited for. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`for 20 s not: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Whether a promise is settled after all that is due in the event loop has run. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const mark = {};
  const turn = new Promise((resolve) => setTimeout(resolve, 5, mark));
  return (await Promise.race([promise, turn])) === mark;
}

export { deepStrictEqual, ok, strictEqual };
