import { memory } from '@memlane/core';
import type { ConsumerOptions } from './consumer-options.ts';
import { CURSOR, CURSOR_STATE_MASK, CursorState } from './lane-descriptor.ts';
import { cursorBase, LaneHealth, type LaneMemory } from './lane-memory.ts';
import type { Lanes } from './lanes.ts';
import type { Position } from './position.ts';
import { distance } from './position.ts';
import type { Loss } from './standing.ts';
import { type Milestone, TailReader } from './tail.ts';

const { compareAndSet, load, store } = memory;
const CONSUMED = CURSOR.fields.consumed.offset >> 2;
const NOT_CONSUMED = CURSOR.fields.notConsumed.offset >> 2;
const STATE = CURSOR.fields.state.offset >> 2;

/** Where a consumer begins that comes late: at the oldest message still there, at what comes from now on, or where its name left off. */
type StartingPoint = 'oldest' | 'now' | 'cursor';

/** A cursor that has been taken. */
export interface Joined {
  readonly start: Milestone;
  /** What its state word says for as long as it has not been passed over. */
  readonly state: number;
  /** What was written since the last owner of its name, and is gone. */
  readonly missed: Loss | undefined;
}

/**
 * Takes a cursor of a lane that everybody reads who cares to; see gate.ts. By whoever holds the lock of the consumer's slot,
 * so it has no other owner; the producer may pass it over at any time.
 */
function joinLane(lane: LaneMemory, consumer: number, from: StartingPoint, isLossy: boolean): Joined {
  const { words } = lane;
  const cursor = cursorBase(lane.base, consumer);
  const tail = new TailReader(lane, new LaneHealth(lane.faults), isLossy);
  const before = load(words, cursor + STATE);
  const state = ((before & ~CURSOR_STATE_MASK) + CURSOR_STATE_MASK + 1) | CursorState.present;
  const left = load(words, cursor + CONSUMED) as Position;
  if (from === 'cursor') {
    // Before anything else, unless it has been passed over: from here on it is not its predecessor's any more.
    const wasKept =
      (before & CURSOR_STATE_MASK) === CursorState.present && compareAndSet(words, cursor + STATE, before, state);
    if (!wasKept) store(words, cursor + STATE, state);
    const start = tail.at(left);
    if (start !== undefined) return { start, state, missed: undefined };
  }
  for (;;) {
    const start = from === 'now' ? tail.newest() : tail.oldest();
    store(words, cursor + NOT_CONSUMED, ~start.position);
    // pairs with: load in CursorsGate.consumed, (C). without it: the writer could overwrite what this reader begins with.
    store(words, cursor + CONSUMED, start.position);
    store(words, cursor + STATE, state);
    if (tail.isPassed(start.position)) continue;
    const missed = from === 'cursor' ? { records: undefined, bytes: distance(start.position, left) >>> 0 } : undefined;
    return { start, state, missed };
  }
}

/** Takes the cursors of a consumer in all lanes. By whoever is attaching in the consumer's slot. */
export function joinRing(lanes: Lanes, consumer: number, options: ConsumerOptions): Joined[] {
  const { from = 'now', name, retain = 'everything' } = options;
  const { producers, overwrite } = lanes.facts;
  const goesOn = name !== undefined && lanes.names?.nameOf(consumer) === name;
  const joined = Array.from({ length: producers }, (_, lane) => {
    const memory = overwrite && lanes.isReserved(lane) ? lanes.at(lane) : lanes.headOf(lane);
    return joinLane(memory, consumer, goesOn ? 'cursor' : from, overwrite);
  });
  // Last: a name whose cursors were never taken would have its next owner begin anywhere.
  if (name !== undefined) lanes.names?.set(consumer, name, overwrite ? 'nothing' : retain);
  return joined;
}

/** Takes a cursor off, whoever it was: producers do not wait for it any more. */
export function dropCursor(words: Int32Array, cursor: number): void {
  const state = load(words, cursor + STATE);
  leaveLane(words, cursor, state);
}

/** Gives a cursor back: producers do not wait for it any more. By CAS: one may have passed it over. */
export function leaveLane(words: Int32Array, cursor: number, state: number): void {
  compareAndSet(words, cursor + STATE, state, (state & ~CURSOR_STATE_MASK) | CursorState.absent);
}
