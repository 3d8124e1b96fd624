/** The scenarios of the latest value and of counters, for whoever must not load the code that they run. */
export const LATEST_SCENARIOS = [
  'values read while they are written',
  'values read while they are written, across 2^32',
  'values read while they are written, across 2^31',
  'values in four buffers',
  'writer killed and succeeded',
  'a reader that sleeps',
  'a reader that sleeps in the event loop',
  'a reader that sleeps, and its writer killed',
  'a reader that sleeps in the event loop, and its writer killed',
] as const;

export const COUNTER_SCENARIOS = [
  'adders and a reader',
  'adder killed and succeeded',
  'a place for another label',
  'a place for another label, adder killed',
  'owner killed, its counter freed',
  'a place for another gauge',
  'setters and a reader',
  'setter killed and succeeded',
] as const;

export type CellScenarioName = (typeof LATEST_SCENARIOS)[number] | (typeof COUNTER_SCENARIOS)[number];
