/** The scenarios of rings with many ends, for whoever must not load the code that they run. */
export const BROADCAST_SCENARIOS = [
  'broadcast: two consumers',
  'broadcast: a consumer that sleeps',
  'broadcast: consumer killed',
  'broadcast: consumer killed, event loops',
  'broadcast: consumer killed, event loops, at once',
  'broadcast: a late consumer, from the oldest',
  'broadcast: a late consumer, from now',
  'broadcast: a late consumer, killed',
  'broadcast: producer killed and succeeded, a late consumer',
  'broadcast: consumer killed and succeeded',
  'broadcast: a name, its consumer killed and succeeded',
  'broadcast: a name kept for some bytes, its consumer killed and succeeded',
  'broadcast: a name, its consumer leaves',
  'broadcast: a name, killed as it comes to be kept for longer',
  'broadcast: a late consumer, killed, event loops',
  'broadcast: a name that was away for 2^31 bytes',
  'broadcast: a slow consumer passed over',
] as const;

export const LOSSY_SCENARIOS = [
  'lossy: lapped, from the oldest',
  'lossy: lapped, from now',
  'lossy: lapped, read by copy',
  'lossy: across 2^32',
  'lossy: a consumer that sleeps',
  'lossy: a late consumer',
  'lossy: producer killed and succeeded',
] as const;

export const LANE_SCENARIOS = [
  'mpsc: two producers',
  'mpsc: a producer comes',
  'mpsc: producer killed, streams that end',
  'mpsc: producers come and go',
  'mpsc: producer killed and succeeded',
  'mpsc: a lane is given back, event loop',
  'mpsc: a producer is killed as it comes',
  'bus: a lane is given back, event loops',
  'bus: a lane is kept for somebody who is killed, event loops',
  'bus: a lane is kept for a name that is removed, event loop',
  'bus: producers come and go',
  'bus: consumer killed, a producer comes',
] as const;

export const RESIZE_SCENARIOS = [
  'resize: grown while it is read',
  'resize: grown and shrunk while it is read',
  'resize: across 2^32',
  'resize: flushed, read by copy',
  'resize: producer killed and succeeded',
  'resize: producer killed and succeeded, as it shrinks',
  'resize: producer killed and succeeded, 2^31 bytes after its segment began',
  'resize: successor killed as it ends the move of a dead one',
  'resize: a lane that has grown is given back',
  'resize: consumer killed and succeeded',
] as const;

export const GROWTH_SCENARIOS = [
  'growth: two consumers',
  'growth: consumers that sleep',
  'growth: a late consumer, from the oldest, as it grows',
  'growth: a late consumer, from the oldest, when a third segment is wanted',
  'growth: a late consumer, from now',
  'growth: a late consumer, killed',
  'growth: consumer killed that holds the older segment',
  'growth: consumer killed that there is no room behind',
  'growth: producer killed and succeeded',
  'growth: producer killed and succeeded, a late consumer',
  'growth: a name, its consumer killed and succeeded',
  'growth: a name kept for some bytes, its consumer killed and succeeded',
  'growth: a late consumer, 2^31 bytes after its segment began',
  'growth: a lane of a bus that has grown is given back',
] as const;

export type TopologyScenarioName =
  | (typeof BROADCAST_SCENARIOS)[number]
  | (typeof LOSSY_SCENARIOS)[number]
  | (typeof LANE_SCENARIOS)[number]
  | (typeof RESIZE_SCENARIOS)[number]
  | (typeof GROWTH_SCENARIOS)[number];
