import { checkInteger, checkOptions, throwArgument } from '@memlane/linux';
import type { TicketName } from './chunk-records.ts';

/**
 * Names a shared buffer to somebody else, who takes it with {@link Slab.take}. Plain numbers: goes by postMessage, by
 * `process.send`, as JSON, or as {@link REFERENCE_BYTES} bytes in any message.
 */
export interface SharedReference {
  /** Which slab: twelve bits of its identity. */
  readonly slab: number;
  readonly chunk: number;
  readonly length: number;
  readonly generation: number;
  /** Which reference to that buffer. */
  readonly ticket: number;
}

/** Bytes of a reference that {@link encodeReference} has written. */
export const REFERENCE_BYTES = 16;

const TICKET_BITS = 20;
const TICKET_MASK: number = (1 << TICKET_BITS) - 1;
/** Bits of a ticket's own number; those of its generation are above. */
const NUMBER_BITS = 5;
const MOST_SLAB = 0xfff;

/** Writes a reference as 16 bytes. @throws ERR_MEMLANE_ARGUMENT when it is none, or there is no room for it. */
export function encodeReference(reference: SharedReference, target: DataView, offset = 0): void {
  const { slab, chunk, length, generation, ticket } = checkReference(reference);
  checkRoom(target, offset);
  target.setInt32(offset, chunk, true);
  target.setInt32(offset + 4, length, true);
  target.setInt32(offset + 8, generation, true);
  target.setInt32(offset + 12, (slab << TICKET_BITS) | ticket, true);
}

/** Reads a reference from 16 bytes. What it says is checked by {@link Slab.take}. @throws ERR_MEMLANE_ARGUMENT */
export function decodeReference(source: DataView, offset = 0): SharedReference {
  checkRoom(source, offset);
  const last = source.getInt32(offset + 12, true);
  return {
    slab: last >>> TICKET_BITS,
    chunk: source.getInt32(offset, true),
    length: source.getInt32(offset + 4, true),
    generation: source.getInt32(offset + 8, true),
    ticket: last & TICKET_MASK,
  };
}

/** What has come as a message may be anything. @throws ERR_MEMLANE_ARGUMENT */
export function checkReference(reference: SharedReference): SharedReference {
  const { slab, chunk, length, generation, ticket } = checkOptions('reference', reference);
  checkInteger('reference.slab', slab, 0, MOST_SLAB);
  checkInteger('reference.chunk', chunk, -(2 ** 31), 2 ** 31 - 1);
  checkInteger('reference.length', length, -(2 ** 31), 2 ** 31 - 1);
  checkInteger('reference.generation', generation, -(2 ** 31), 2 ** 31 - 1);
  checkInteger('reference.ticket', ticket, 0, TICKET_MASK);
  return reference;
}

/** Which ticket a reference names. */
export function ticketNameOf({ ticket }: SharedReference): TicketName {
  return { ticket: ticket & ((1 << NUMBER_BITS) - 1), generation: ticket >>> NUMBER_BITS };
}

/** The number by which a reference names a ticket. */
export function ticketNumberOf({ ticket, generation }: TicketName): number {
  return (generation << NUMBER_BITS) | ticket;
}

function checkRoom(view: DataView, offset: number): void {
  if (!(view instanceof DataView)) throwArgument('view', view, 'a DataView');
  checkInteger('offset', offset, 0, view.byteLength - REFERENCE_BYTES);
}
