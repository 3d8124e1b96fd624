import { broadcast } from './broadcast.ts';
import type { Scenario } from './explorer.ts';
import { place } from './places.ts';
import { extra, type Plan } from './topology-actors.ts';
import type { BROADCAST_SCENARIOS } from './topology-names.ts';

/*
 * One writes, everybody reads, and the writer waits for the slowest who is there.
 */

const plan = (messages: number, more: Partial<Plan> = {}): Plan => ({
  topology: 'broadcast',
  producers: 1,
  consumers: 1,
  capacityBytes: 32,
  ...more,
  messages: messages + extra,
});
/** All messages alike, and room for one of them, or two. */
const one: Partial<Plan> = { capacityBytes: 16, lengths: [8] };
const two: Partial<Plan> = { capacityBytes: 32, lengths: [8] };
const NAME = 'log';
const AWAY = 2 ** 31 + 64;

/** Every scenario by its name. */
export const scenarios: Readonly<Record<(typeof BROADCAST_SCENARIOS)[number], () => Scenario>> = {
  'broadcast: two consumers': () =>
    broadcast(plan(3, { consumers: 2, refusals: 2 }), {
      readers: [
        { prepared: true, looks: 3 },
        { prepared: true, looks: 3 },
      ],
    }),
  'broadcast: a consumer that sleeps': () =>
    // Of two places one is empty: with one place nobody looks at the mask of sleepers.
    broadcast(plan(2, { consumers: 2, ...one }), { readers: [{ prepared: true }] }),
  'broadcast: consumer killed': () => broadcast(plan(2, one), { readers: [{ prepared: true, mortal: true }] }),
  'broadcast: consumer killed, event loops': () =>
    broadcast(plan(2, one), {
      readers: [{ prepared: true, mortal: true, waiting: 'event loop' }],
      producerWaiting: 'event loop',
    }),
  'broadcast: consumer killed, event loops, at once': () =>
    broadcast(plan(2, { timeless: true, ...one }), {
      readers: [{ prepared: true, mortal: true, waiting: 'event loop' }],
      producerWaiting: 'event loop',
    }),
  'broadcast: a late consumer, from the oldest': () =>
    broadcast(plan(3, { before: 2, ...two }), { readers: [{ from: 'oldest' }] }),
  'broadcast: a late consumer, from now': () =>
    broadcast(plan(4, { before: 2, ...two }), { readers: [{ from: 'now', looks: 2 }] }),
  'broadcast: a late consumer, killed': () =>
    broadcast(plan(3, { before: 2, ...two }), { readers: [{ from: 'oldest', mortal: true, looks: 1 }] }),
  'broadcast: producer killed and succeeded, a late consumer': () =>
    broadcast(plan(3, { before: 2, refusals: 1, ...two }), {
      readers: [{ from: 'oldest', looks: 1 }],
      producerMortal: true,
    }),
  'broadcast: consumer killed and succeeded': () =>
    broadcast(plan(3, { refusals: 1, ...two }), {
      readers: [
        { prepared: true, mortal: true, looks: 1 },
        { from: 'oldest', successorOf: 0, looks: 1 },
      ],
    }),
  'broadcast: a name, its consumer killed and succeeded': () =>
    broadcast(plan(3, { name: NAME, refusals: 2, ...two }), {
      readers: [
        { prepared: true, mortal: true, looks: 1, name: NAME },
        { name: NAME, place: 0, successorOf: 0, looks: 2 },
      ],
    }),
  'broadcast: a name kept for some bytes, its consumer killed and succeeded': () =>
    broadcast(plan(3, { name: NAME, refusals: 1, ...two }), {
      readers: [
        { prepared: true, mortal: true, looks: 1, name: NAME, retain: 16 },
        { name: NAME, retain: 16, place: 0, successorOf: 0, looks: 2 },
      ],
    }),
  'broadcast: a name, its consumer leaves': () =>
    broadcast(plan(3, { name: NAME, refusals: 2, ...two }), {
      readers: [
        { prepared: true, name: NAME, leavesAfter: 1 },
        { name: NAME, place: 0, successorOf: 0, looks: 2 },
      ],
    }),
  'broadcast: a name, killed as it comes to be kept for longer': () =>
    broadcast(plan(3, { name: NAME, refusals: 1, before: 2, ...two }), {
      readers: [
        { name: NAME, mortal: true, looks: 0 },
        { name: NAME, place: 0, successorOf: 0, looks: 1 },
      ],
      prepare: (store) => {
        // Of a ring of 32 bytes nothing is lost that is kept for 32.
        store[place('name.nameBytes')] = NAME.length;
        store[place('name.retention')] = 1;
        store[place('name.keptBytes')] = 32;
        store[place('cursor.state')] = 5;
      },
    }),
  'broadcast: a late consumer, killed, event loops': () =>
    broadcast(plan(3, { before: 2, ...two }), {
      readers: [{ from: 'oldest', mortal: true, leavesAfter: 0 }],
      producerWaiting: 'event loop',
    }),
  'broadcast: a name that was away for 2^31 bytes': () =>
    broadcast(plan(3, { name: NAME, refusals: 1, startPosition: AWAY, before: 1, ...two }), {
      readers: [{ name: NAME, retain: 'nothing', from: 'oldest', looks: 1 }],
      prepare: (store) => {
        // Its owner left when the stream was young.
        store[place('name.nameBytes')] = NAME.length;
        store[place('name.retention')] = 0;
        store[place('cursor.consumed')] = 0;
      },
    }),
  'broadcast: a slow consumer passed over': () =>
    broadcast(plan(3, { maxLagBytes: 16, ...two }), { readers: [{ prepared: true }] }),
};
