/**
 * One participant slot: two pairs of cache lines. The first is written seldom (attach, park, ring) and read by the peers
 * after every publish; the second is written by the owner all the time and read by nobody but observers.
 *
 * ```text
 *        0               4               8              12
 *    0  | state         | generation    | parked        | bell          |
 *   16  | pid           | role          | attachedAtMs                  |
 *  128  | messages                      | bytes                         |
 *  144  | batches                       | refusals                      |
 *  160  | parks                         | rings                         |
 *  176  | highWaterBytes                |                               |
 *  256
 * ```
 */
export const SLOT = {
  name: 'slot',
  bytes: 256,
  fields: {
    state: {
      type: 'i32',
      offset: 0,
      meaning: '0 vacant, 1 active, 2 being taken; who is alive is told by the lock, not by this',
    },
    generation: { type: 'i32', offset: 4, meaning: 'raised each time the slot is taken; part of the name of the bell' },
    parked: { type: 'i32', offset: 8, meaning: 'episode * 4 + asleep * 2 + kind (0 event loop, 1 thread)' },
    bell: { type: 'i32', offset: 12, meaning: 'raised by each ring; the futex word of a parked thread' },
    pid: { type: 'i32', offset: 16, meaning: 'of the owner, for display only' },
    role: {
      type: 'i32',
      offset: 20,
      meaning: '1 producer, 2 consumer, 3 member of a shared region or slab, or who counts',
    },
    attachedAtMs: { type: 'f64', offset: 24, meaning: 'milliseconds since 1970' },
    messages: { type: 'f64', offset: 128, meaning: 'written or read through this slot' },
    bytes: { type: 'f64', offset: 136, meaning: 'of payload, likewise' },
    batches: { type: 'f64', offset: 144, meaning: 'publishes or advances' },
    refusals: { type: 'f64', offset: 152, meaning: 'claims that found the ring full' },
    parks: { type: 'f64', offset: 160, meaning: 'times the owner went to sleep' },
    rings: { type: 'f64', offset: 168, meaning: 'times the owner woke a peer' },
    highWaterBytes: { type: 'f64', offset: 176, meaning: 'largest backlog that the owner has met' },
  },
} as const;

export const SlotState = { vacant: 0, active: 1, entering: 2 } as const;
export const Role = { producer: 1, consumer: 2, member: 3 } as const;
/** Low bit of the parked word. */
export const ParkKind = { eventLoop: 0, thread: 1 } as const;
/** The bit of the parked word that says that the owner sleeps; the episode above it outlives the sleep and the owner. */
export const ASLEEP = 2;
export const EPISODE_SHIFT = 2;
