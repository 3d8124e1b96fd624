import type { MemlaneError } from '@memlane/linux';
import type { LatestReader, LatestValue, LatestWriter } from '@memlane/ring';
// Without the native extraction of strings that 'msgpackr' brings along: it can't read shared memory.
import { Packr } from 'msgpackr/pack';
import * as unpacking from 'msgpackr/unpack';
import { type Codec, undecodable } from './codec.ts';

/*
 * MessagePack by msgpackr, with record structures: of objects with the same keys only the values are written, and a number
 * for the keys. The numbers are shared by all who use the queue, in a latest value: whoever meets keys that have no number
 * takes the writer's place, reads what is there by now, adds to it and publishes. A death before that has added nothing; two
 * at once wait for each other for microseconds, and the second one finds what the first has added.
 */

/** Most bytes of all structures of a queue, and most structures: an object with other keys is written with its keys. */
export const STRUCTURES_BYTES = 65_536;
const MOST_STRUCTURES = 256;
/** msgpackr goes on in memory of its own unless it has so much room to begin with. */
const LEAST_ROOM = 2_200;
const SCRATCH_BYTES = 65_536;
/**
 * Somebody else in this process may have turned the native extraction on, which fails once a message, at a cost (14 us). What
 * is longer than this loses less by that than by being copied.
 */
const COPIED_BYTES = 16_384;

type Structures = string[][];
interface SavedStructures {
  /** Whether what is there may be replaced by these. */
  isCompatible?(existing: unknown): boolean;
}

/** Makes the codec for one thread. @param shared where the structures of the queue are. */
export function createMsgpackCodec(shared: LatestValue): Codec<unknown> {
  const reader = shared.reader();
  const packr = new Packr({
    copyBuffers: true, // what is unpacked may be kept, the ring's memory not
    structuredClone: true,
    moreTypes: true,
    maxSharedStructures: MOST_STRUCTURES,
    getStructures: () => readStructures(reader),
    saveStructures: (structures: Structures & SavedStructures, isCompatible?: SavedStructures['isCompatible']) =>
      saveStructures(shared, reader, structures, isCompatible ?? structures.isCompatible),
  } as ConstructorParameters<typeof Packr>[0]);
  const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  return {
    name: 'msgpack',
    encode(value, target) {
      // Others in this process may have packed since: the memory that is packed into is msgpackr's, not the instance's.
      const isInPlace = target.length >= LEAST_ROOM;
      packr.useBuffer(isInPlace ? target : scratch);
      const packed = packr.pack(value);
      if (isInPlace && packed.buffer === target.buffer && packed.byteOffset === target.byteOffset) return packed.length;
      if (packed.length > target.length) return packed;
      target.set(packed);
      return packed.length;
    },
    decode(source, start, end) {
      const length = end - start;
      const isCopied = isNative() && length <= COPIED_BYTES;
      try {
        if (!isCopied) return packr.unpack(source, { start, end });
        source.copy(scratch, 0, start, end);
        return packr.unpack(scratch, { start: 0, end: length });
      } catch (cause) {
        throw undecodable('msgpack', cause);
      }
    },
  };
}

/** The types of msgpackr have forgotten it. */
const isNative = (): boolean =>
  (unpacking as { readonly isNativeAccelerationEnabled?: boolean }).isNativeAccelerationEnabled === true;

function readStructures(reader: LatestReader): Structures {
  const latest = reader.read();
  return latest === null || latest.data.length === 0 ? [] : JSON.parse(String(latest.data));
}

/** Publishes more structures; returns false when somebody else has added others, or there is no room for more. */
function saveStructures(
  shared: LatestValue,
  reader: LatestReader,
  structures: Structures,
  isCompatible: SavedStructures['isCompatible'],
): boolean {
  const text = JSON.stringify(structures);
  if (Buffer.byteLength(text) > STRUCTURES_BYTES) return false;
  using writer = takeWriter(shared);
  if (isCompatible?.(readStructures(reader)) === false) return false;
  writer.write(text);
  return true;
}

/** The one place, which others have for microseconds at a time. */
function takeWriter(shared: LatestValue): LatestWriter {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return shared.writer();
    } catch (error) {
      if ((error as MemlaneError).code !== 'ERR_MEMLANE_BUSY' || performance.now() > deadline) throw error;
    }
  }
}

/** Whoever has the place for longer was stopped. */
const PATIENCE_MS = 10_000;
