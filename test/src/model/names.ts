/** The scenarios, for whoever must not load the code that they run. */
export const SCENARIOS = [
  'two threads',
  'two threads, across 2^31',
  'two threads, across 2^32',
  'two event loops',
  'thread and event loop',
  'a stream that ends',
  'batches and copies',
  'producer killed',
  'producer killed, event loops',
  'producer killed and succeeded',
  'consumer killed',
  'consumer killed and succeeded',
  'consumer killed and succeeded, with room for all',
  'consumer killed and succeeded, event loops',
  'producer killed and succeeded, event loops',
  'consumer leaves, another comes',
  'consumer leaves, another comes, event loops',
  'rivals for a slot',
  'rivals for a slot, one killed',
] as const;
export type ScenarioName = (typeof SCENARIOS)[number];
