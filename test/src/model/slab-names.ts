/** The scenarios of the slab, for whoever must not load the code that they run. */
export const SLAB_SCENARIOS = [
  'slab: two release, a third acquires',
  'slab: shared, released and taken',
  'slab: shared while another releases',
  'slab: shared and left',
  'slab: sent to one, sender killed',
  'slab: sent to one who is killed',
  'slab: carried, taken and settled',
  'slab: carried, two takers',
  'slab: carried, two takers, one killed',
  'slab: settled by two',
  'slab: settled by two, a third releases',
  'slab: settled beside a take',
  'slab: a stale reference and another buffer',
  'slab: a stale reference and another buffer, taker killed',
  'slab: two release, one killed',
  'slab: settled, and killed',
  'slab: owner killed and succeeded',
  'slab: consigned, and killed',
  'slab: sent to one who leaves',
] as const;
export type SlabScenarioName = (typeof SLAB_SCENARIOS)[number];
