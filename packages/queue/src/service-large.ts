import type { MemlaneError } from '@memlane/linux';
import type { Slab } from '@memlane/slab';
import { isSame, Kind, LARGE_BYTES, LargeMessages, type RecordPlace } from './large-messages.ts';
import type { ServiceChannels } from './service-channels.ts';
import { REQUEST } from './service-protocol.ts';

/** Lanes of a ring, at the most. */
const LANES = 1024;

/** Where a request with a reference is, as far as its slab has to know. */
export const REQUEST_PLACE: RecordPlace = { lane: 0, position: 0 };

/** Where a reply with a reference is. */
export function replyPlace(client: number, { lane, position }: RecordPlace): RecordPlace {
  return { lane: (client + 1) * LANES + lane, position };
}

/** The messages of a service that are too long for its records. */
export function largeOf(slab: Slab, channels: ServiceChannels): LargeMessages {
  return new LargeMessages(slab, ({ lane, position }, reference) => {
    if (lane < LANES) return !hasRequest(channels, (at) => isSame(at, reference));
    const client = Math.floor(lane / LANES) - 1;
    if (client >= channels.clients) return true; // what no client has written
    const place = { lane: lane % LANES, position };
    const ring = channels.replies(client);
    if (ring.isOver(place)) return true;
    if (channels.control.tenantOf(client) !== undefined) return false;
    // Nobody reads it, and nobody has said so as yet: whoever takes the place begins behind it.
    try {
      ring.consumer().close();
    } catch (error) {
      if ((error as MemlaneError).code !== 'ERR_MEMLANE_BUSY') throw error;
    }
    return ring.isOver(place);
  });
}

type Reference = ReturnType<typeof LargeMessages.read>['reference'];

function hasRequest({ requests }: ServiceChannels, isIt: (reference: Reference) => boolean): boolean {
  let isThere = false;
  requests.inspect((view, offset, length, type) => {
    if (type !== Kind.large || length !== REQUEST.bytes + LARGE_BYTES) return;
    if (isIt(LargeMessages.read(view.data, offset + REQUEST.bytes, LARGE_BYTES).reference)) isThere = true;
  });
  return isThere;
}
