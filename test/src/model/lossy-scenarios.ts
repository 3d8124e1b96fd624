import { broadcast } from './broadcast.ts';
import type { Scenario } from './explorer.ts';
import { extra, type Plan } from './topology-actors.ts';
import type { LOSSY_SCENARIOS } from './topology-names.ts';

/*
 * One writes and never waits; whoever reads too slowly is lapped. The data races by design: what is checked is that no record
 * is handed over that was being overwritten, and that every one is either read or counted as lost.
 */

const plan = (messages: number, more: Partial<Plan> = {}): Plan => ({
  topology: 'broadcast',
  producers: 1,
  consumers: 1,
  capacityBytes: 32,
  overwrite: true,
  ...more,
  messages: messages + extra,
});
const two: Partial<Plan> = { lengths: [8] };

/** Every scenario by its name. */
export const scenarios: Readonly<Record<(typeof LOSSY_SCENARIOS)[number], () => Scenario>> = {
  'lossy: lapped, from the oldest': () => broadcast(plan(3), { readers: [{ prepared: true, looks: 2 }] }),
  'lossy: lapped, from now': () => broadcast(plan(4, two), { readers: [{ prepared: true, from: 'now', looks: 3 }] }),
  'lossy: lapped, read by copy': () => broadcast(plan(2), { readers: [{ prepared: true, copying: true, looks: 2 }] }),
  'lossy: across 2^32': () =>
    broadcast(plan(3, { startPosition: 2 ** 32 - 40 }), { readers: [{ prepared: true, looks: 2 }] }),
  'lossy: a consumer that sleeps': () => broadcast(plan(3, { before: 1, ...two }), { readers: [{ prepared: true }] }),
  'lossy: a late consumer': () =>
    broadcast(plan(4, { before: 2, ...two }), { readers: [{ from: 'oldest', looks: 2 }] }),
  'lossy: producer killed and succeeded': () =>
    broadcast(plan(3, { before: 2, ...two }), { readers: [{ prepared: true, looks: 2 }], producerMortal: true }),
};
