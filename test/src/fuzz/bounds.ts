import { ok } from 'node:assert';
import type { RecordView } from 'memlane';

/** Checks that what was handed over as a message lies in the data of the lane, aligned as is promised. */
export function checkPlace(view: RecordView, offset: number, length: number, type: number, capacity: number): void {
  const right =
    Number.isInteger(offset) &&
    Number.isInteger(length) &&
    offset >= 8 &&
    offset < capacity + 8 &&
    offset % 8 === 0 &&
    length >= 0 &&
    length <= capacity - 8 &&
    type === (type | 0) &&
    view.u8.length === 2 * capacity;
  ok(right, `a message of ${length} bytes and type ${type} at ${offset}`);
}
