/*
 * The state of a cell is one word, so that whatever is half done names who was doing it in the store that began it:
 *
 *   bits 31..18   17..11             10..3        2..0
 *        lap      owner generation   owner slot   state
 *
 *   free ──claim──▶ writing ──commit──▶ ready ──take──▶ claimed ──ack──▶ free
 *                      │                                  │ ▲
 *                      └─abort, death──▶ free    nack, death▼ │take
 *                                                 returned, delayed ──▶ dead, after too many deliveries
 *
 * The owner is a slot and the low bits of its generation: a successor in the same slot is somebody else, so that whoever was
 * stopped between seeing an owner dead and taking its message away cannot take it from a successor that has it by then.
 *
 * The lap counts how often the tail has come by. Position p is at index p mod capacity in lap p / capacity. The tail passes
 * a cell only by giving it its lap, with a message or without: free cells are claimed, cells that are still somebody's are
 * marked with the new lap and passed. So at any time each cell has the lap of the tail or the one before, whatever it
 * holds, and a consumer knows by the lap where the queue ends.
 *
 * Fourteen bits of lap wrap within 2^14 rounds: 0.1 s at capacity 64 and ten million messages a second. Laps are for order;
 * nobody's safety rests on them. A process that was stopped for that long between two instructions then finds a
 * state that it believes to be the one it saw, and its compare-and-set succeeds:
 *
 * - take: the state says `ready`, and so it is; its claim is as good as any.
 * - claim, or pass: the cell may be ahead of the tail then, where no consumer looks. So both look at the tail once more, and
 *   positions have 32 bits: the claim is undone, the pass is reported through `returns`, which has every consumer look at
 *   all cells.
 * - help head or tail forward: needs the same 32-bit position again, 430 s at ten million a second, to the message. A
 *   message that is behind the head by that, or beyond a cell that never got its lap, waits for the next look at all
 *   cells, which a consumer without work takes every {@link SWEEP_MS}; the next round of the tail mends the cell.
 */

/** What a cell holds. */
export const CellState = {
  free: 0,
  /** Being filled by the owner. */
  writing: 1,
  ready: 2,
  /** Being handled by the owner. */
  claimed: 3,
  /** Given back, to be taken at once; the owner, if any, may not have raised `returns` yet. */
  returned: 4,
  /** Given back, to be taken when it is due; likewise. */
  delayed: 5,
  /** Delivered too often. */
  dead: 6,
} as const;

export const STATE_MASK = 7;
const OWNER_SHIFT = 3;
const GENERATION_SHIFT = 11;
const LAP_SHIFT = 18;
const GENERATION_MASK = 127;
const SLOT_MASK = 255;
export const LAP_MASK: number = -1 << LAP_SHIFT;
/** State and owner: what a transition of an owner replaces. */
export const HOLD_MASK: number = ~LAP_MASK;
export const OWNER_MASK: number = HOLD_MASK & ~STATE_MASK;

/** The owner of what was given back and reported: no slot has this number. */
export const NOBODY: number = SLOT_MASK << OWNER_SHIFT;

/** How often the dead are looked for and all cells looked at, by those who find no work, and by those who always do. */
export const SWEEP_MS = 10;

/** The bits that name an owner. */
export function ownerOf(slot: number, generation: number): number {
  return ((generation & GENERATION_MASK) << GENERATION_SHIFT) | (slot << OWNER_SHIFT);
}

/** The slot that a state names. */
export function slotOf(word: number): number {
  return (word >>> OWNER_SHIFT) & SLOT_MASK;
}

/** Whether a slot in that generation is the owner whom a state names. */
export function isGeneration(word: number, generation: number): boolean {
  return ((word >>> GENERATION_SHIFT) & GENERATION_MASK) === (generation & GENERATION_MASK);
}

/** The lap of a position, where a state has it. `shift` is the binary logarithm of the capacity. */
export function lapOf(position: number, shift: number): number {
  return (position >>> shift) << LAP_SHIFT;
}

/** How many laps a state is ahead of `lap`. */
export function lapsBetween(lap: number, word: number): number {
  return (word - lap) >>> LAP_SHIFT;
}
