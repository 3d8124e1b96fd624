/**
 * The shared words of one lane: a pair of cache lines that its producer writes all the time, a pair that changes seldom
 * (so that looking at it costs the reader nothing), then one pair for each of its cursors.
 *
 * ```text
 *        0               4               8              12
 *    0  | published     | tail          | notPublished  | turn          |
 *   16  | tail0         | records0      | tail1         | records1      |
 *  128  | ended         | reserved      | segment       | begin0        |
 *  144  | level0        | begin1        | level1        |               |
 *  256
 * ```
 */
export const LANE = {
  name: 'lane',
  bytes: 256,
  fields: {
    published: { type: 'i32', offset: 0, meaning: 'position up to which records are complete; producer' },
    tail: {
      type: 'i32',
      offset: 4,
      meaning: 'position before which records may be being overwritten, stored before that is done; producer',
    },
    notPublished: { type: 'i32', offset: 8, meaning: 'published, all bits inverted, stored before it; with checksums' },
    turn: { type: 'i32', offset: 12, meaning: 'its lowest bit says which of the two pairs is the last one; producer' },
    tail0: { type: 'i32', offset: 16, meaning: 'an earlier or the present tail; producer' },
    records0: { type: 'i32', offset: 20, meaning: 'records before it since the lane began, modulo 2^32; producer' },
    tail1: { type: 'i32', offset: 24, meaning: 'the other pair: likewise' },
    records1: { type: 'i32', offset: 28, meaning: 'likewise' },
    ended: { type: 'i32', offset: 128, meaning: '1 when the producer has said end(); producer' },
    reserved: {
      type: 'i32',
      offset: 132,
      meaning: '1 while the pages of the data are reserved; whoever has the lock of the producer slot',
    },
    segment: {
      type: 'i32',
      offset: 136,
      meaning: 'its lowest bit says which of the two segments is the newer; producer',
    },
    begin0: { type: 'i32', offset: 140, meaning: 'position at which that segment begins; producer' },
    level0: {
      type: 'i32',
      offset: 144,
      meaning: 'its capacity is capacityBytes * 2^level; all bits set when it is not in use any more; producer',
    },
    begin1: { type: 'i32', offset: 148, meaning: 'of the other one: likewise' },
    level1: { type: 'i32', offset: 152, meaning: 'likewise' },
  },
} as const;

/**
 * One cursor of a lane.
 *
 * ```text
 *        0               4               8
 *    0  | consumed      | notConsumed   | state         |
 *  128
 * ```
 */
export const CURSOR = {
  name: 'cursor',
  bytes: 128,
  fields: {
    consumed: { type: 'i32', offset: 0, meaning: 'position up to which records are done with; consumer' },
    notConsumed: { type: 'i32', offset: 4, meaning: 'consumed, all bits inverted, stored before it; with checksums' },
    state: {
      type: 'i32',
      offset: 8,
      meaning: 'times it was taken * 4 + 0 absent, 1 present, 2 passed over; its owner, and the producer by CAS from 1',
    },
  },
} as const;

/** The low two bits of a cursor's state, where a lane has many of them. */
export const CursorState = { absent: 0, present: 1, passedOver: 2 } as const;
/** All of them. */
export const CURSOR_STATE_MASK = 3;
