/** The scenarios of the work queue, for whoever must not load the code that they run. */
export const WORK_SCENARIOS = [
  'work: one to one',
  'work: one to one, across 2^32',
  'work: two messages for two',
  'work: two producers',
  'work: consumer killed',
  'work: somebody else killed',
  'work: consumer killed and succeeded',
  'work: producer killed',
  'work: producer killed in a batch',
  'work: given back',
  'work: given back by one who is killed',
  'work: delivered too often',
  'work: a slow consumer',
  'work: a stream that ends',
  'work: a stream that has ended',
  'work: a batch that is passed',
  'work: a batch that is passed, across 2^32',
  'work: a batch that is passed, its producer killed',
  'work: a batch that is passed by one who is killed',
  'work: a batch of three that is passed',
] as const;
export type WorkScenarioName = (typeof WORK_SCENARIOS)[number];
