import { MemlaneError } from '@memlane/linux';
import {
  decodeReference,
  encodeReference,
  REFERENCE_BYTES,
  type SharedBuffer,
  type SharedReference,
  type Slab,
  type Waybill,
} from '@memlane/slab';
import type { Codec } from './codec.ts';

/*
 * A message that is too long for a record travels as a buffer of the queue's slab, and its record is a reference to it. The
 * buffer is its sender's, then the record's, then those who read it hold it beside the record; when the record is done with,
 * whoever is done with it last ends the reference.
 *
 *   sender                                     receiver
 *   claim a record                             take the reference: holds the buffer, too
 *   acquire, fill, share, write the reference  decode, release
 *   consign: held by the record                done with the record: acknowledge it, or advance over it
 *   publish the record; release the buffer     settle the reference
 *
 * Who dies between being done with a record and settling it leaves a reference that no record has. Whoever finds the slab
 * full, or comes to the queue, looks for those.
 */

/** What the type of a record says of its payload. */
export const Kind = { inline: 0, large: 1 } as const;

/** The one ring or work queue that carries the references of a queue's slab. */
const CARRIER = 1;

const LANE_OFFSET = REFERENCE_BYTES;
const POSITION_OFFSET = REFERENCE_BYTES + 4;
/** Payload of a record with a reference: the reference, and where the record is. */
export const LARGE_BYTES: number = REFERENCE_BYTES + 8;

/** Where a record is, in words that its carrier understands. */
export type RecordPlace = Omit<Waybill, 'carrier'>;

/** The messages of a queue that are too long for its records. */
export class LargeMessages {
  readonly #slab: Slab;
  readonly #isOver: (place: RecordPlace, reference: SharedReference) => boolean;

  /** @param isOver whether the record of a reference, which was there before the call, is done with. */
  constructor(slab: Slab, isOver: (place: RecordPlace, reference: SharedReference) => boolean) {
    this.#slab = slab;
    this.#isOver = isOver;
  }

  /** Longest message, in bytes. */
  get maxLength(): number {
    return this.#slab.maxLength;
  }

  /** Puts a message into a buffer; null when there is no room. */
  tryPut(bytes: Uint8Array): SharedBuffer | null {
    const buffer =
      this.#slab.tryAcquire(bytes.length) ?? (this.tidy() > 0 ? this.#slab.tryAcquire(bytes.length) : null);
    buffer?.data.set(bytes);
    return buffer;
  }

  /** Resolves when there may be room for so many bytes. */
  async waitForRoom(length: number, signal: AbortSignal | undefined): Promise<void> {
    const buffer = await this.#slab.acquire(length, { signal });
    buffer.release();
  }

  /** Writes the reference to a buffer into a record that was claimed at `offset`, and gives the buffer to the record. */
  consign(buffer: SharedBuffer, data: DataView, offset: number, place: RecordPlace): void {
    const reference = buffer.share();
    encodeReference(reference, data, offset);
    data.setInt32(offset + LANE_OFFSET, place.lane, true);
    data.setInt32(offset + POSITION_OFFSET, place.position, true);
    // Last: who looks for references without a record finds it in the record.
    this.#slab.consign(reference, { carrier: CARRIER, ...place });
    buffer.release();
  }

  /** The reference in a record. @throws ERR_MEMLANE_CORRUPT when it is too short for one. */
  static read(data: DataView, offset: number, length: number): LargeRecord {
    if (length !== LARGE_BYTES)
      throw new MemlaneError('ERR_MEMLANE_CORRUPT', `A reference of ${length} bytes`, { field: 'length' });
    const [lane, position] = [data.getInt32(offset + LANE_OFFSET, true), data.getInt32(offset + POSITION_OFFSET, true)];
    return { reference: decodeReference(data, offset), place: { lane, position } };
  }

  /** The value in the buffer of a record. @throws ERR_MEMLANE_STALE when the record is done with; what the codec throws. */
  decode<Value>({ reference }: LargeRecord, codec: Pick<Codec<Value>, 'decode'>): Value {
    using buffer = this.#slab.take(reference);
    return codec.decode(buffer.data, 0, buffer.length);
  }

  /** Ends the reference of a record that is done with. Any number of times. */
  settle({ reference }: LargeRecord): void {
    this.#slab.settle(reference);
  }

  /** Ends the references whose records are done with, and releases what the dead hold; returns how many of the first. */
  tidy(): number {
    this.#slab.sweep();
    return this.#slab.settleCarried(CARRIER, this.#isOver);
  }

  close(): void {
    this.#slab.close();
  }
}

/** What a record with a reference says. */
export interface LargeRecord {
  readonly reference: SharedReference;
  readonly place: RecordPlace;
}

/** Whether two references are the same one. */
export function isSame(one: SharedReference, other: SharedReference): boolean {
  return one.chunk === other.chunk && one.generation === other.generation && one.ticket === other.ticket;
}
