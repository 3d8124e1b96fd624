/**
 * The shared words of one lane: a pair of cache lines that its producer writes all the time, a pair that changes seldom
 * (so that looking at it costs the reader nothing), then one pair for each of its cursors.
 *
 * ```text
 *        0               4               8              12
 *    0  | published     | intent        | notPublished  |               |
 *  128  | ended         |               |               |               |
 *  256
 * ```
 */
export const LANE = {
  name: 'lane',
  bytes: 256,
  fields: {
    published: { type: 'i32', offset: 0, meaning: 'position up to which records are complete; producer' },
    intent: { type: 'i32', offset: 4, meaning: 'position up to which records may be being overwritten (lossy lanes)' },
    notPublished: { type: 'i32', offset: 8, meaning: 'published, all bits inverted, stored before it; with checksums' },
    ended: { type: 'i32', offset: 128, meaning: '1 when the producer has said end(); producer' },
  },
} as const;

/**
 * One cursor of a lane.
 *
 * ```text
 *        0               4
 *    0  | consumed      | notConsumed   |
 *  128
 * ```
 */
export const CURSOR = {
  name: 'cursor',
  bytes: 128,
  fields: {
    consumed: { type: 'i32', offset: 0, meaning: 'position up to which records are done with; consumer' },
    notConsumed: { type: 'i32', offset: 4, meaning: 'consumed, all bits inverted, stored before it; with checksums' },
  },
} as const;
