/**
 * The shared words of one lane: its producer's pair of cache lines, then one pair for each of its cursors, so that the
 * two sides never write to lines that the other one polls needlessly.
 *
 * ```text
 *        0               4               8              12
 *    0  | published     | intent        | ended         |               |
 *  128
 * ```
 */
export const LANE = {
  name: 'lane',
  bytes: 128,
  fields: {
    published: { type: 'i32', offset: 0, meaning: 'position up to which records are complete; producer' },
    intent: { type: 'i32', offset: 4, meaning: 'position up to which records may be being overwritten (lossy lanes)' },
    ended: { type: 'i32', offset: 8, meaning: '1 when the producer has said end(); producer' },
  },
} as const;

/**
 * One cursor of a lane.
 *
 * ```text
 *        0
 *    0  | consumed      |
 *  128
 * ```
 */
export const CURSOR = {
  name: 'cursor',
  bytes: 128,
  fields: {
    consumed: { type: 'i32', offset: 0, meaning: 'position up to which records are done with; consumer' },
  },
} as const;
