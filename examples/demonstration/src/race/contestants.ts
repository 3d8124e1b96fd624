// Who takes part in the race, and the programs that are each one's two ends.
import type { WaitStrategy } from 'memlane';

export interface Contestant {
  readonly name: string;
  /** In the order in which they start. Of a pair over IPC the first one forks the second. */
  readonly programs: readonly string[];
  /** Names of the rings that they use. */
  readonly rings: readonly string[];
  /** How the ends of a ring wait. */
  readonly wait?: WaitStrategy;
  /** Messages that one commit publishes. */
  readonly batch?: number;
  /** Who it is compared with: the way of using memlane that is most like it. */
  readonly comparedWith?: string;
}

const oneWay = { programs: ['memlane-receiver', 'memlane-sender'], rings: ['messages'] };
const oneByOne = 'memlane, one by one';
const inBatches = 'memlane, 32 at a time';

/** Messages in one direction. */
export const ONE_WAY: readonly Contestant[] = [
  { name: oneByOne, ...oneWay, wait: 'adaptive', batch: 1 },
  { name: 'child_process IPC', programs: ['ipc-sender'], rings: [], comparedWith: oneByOne },
  {
    name: 'Unix socket, one by one',
    programs: ['socket-receiver', 'socket-sender'],
    rings: [],
    comparedWith: oneByOne,
  },
  { name: inBatches, ...oneWay, wait: 'adaptive', batch: 32 },
  {
    name: 'Unix socket, packed in 64 KiB',
    programs: ['packed-sender', 'packed-receiver'],
    rings: [],
    comparedWith: inBatches,
  },
];

const roundTrip = { programs: ['memlane-pong', 'memlane-ping'], rings: ['requests', 'answers'] };
const awaiting = 'memlane, await';

/** A message there and another one back, one at a time. */
export const ROUND_TRIP: readonly Contestant[] = [
  { name: 'memlane, spinning', ...roundTrip, wait: 'spin' },
  // In the event loop, waiting as memlane does by default: it looks for a short time before it sleeps.
  { name: awaiting, ...roundTrip, wait: 'adaptive' },
  { name: 'memlane, sleeping', ...roundTrip, wait: 'event' },
  { name: 'child_process IPC', programs: ['ipc-ping'], rings: [], comparedWith: awaiting },
  { name: 'Unix socket', programs: ['socket-pong', 'socket-ping'], rings: [], comparedWith: awaiting },
];
