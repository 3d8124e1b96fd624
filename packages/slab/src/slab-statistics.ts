import { StatisticsIndex, statisticsLineOf } from '@memlane/core';
import { ChunkRecords } from './chunk-records.ts';
import type { MappedSlab } from './slab-file.ts';

/** The chunks of one size. */
export interface ClassStatistics {
  /** Bytes of each. */
  readonly chunkBytes: number;
  readonly chunks: number;
  /** Of them, those that are in use. */
  readonly used: number;
  /** Bytes that were asked for of those. */
  readonly usedBytes: number;
}

/** What one place holds, and what has been done through it by all its owners. */
export interface HolderStatistics {
  readonly slot: number;
  readonly alive: boolean;
  readonly pid: number;
  /** Buffers that it holds now, and their bytes; those that others hold, too, included. */
  readonly buffers: number;
  readonly bytes: number;
  /** Buffers that it has taken from the slab, and their bytes. */
  readonly acquired: number;
  readonly acquiredBytes: number;
  /** Times that there was no room for one. */
  readonly refusals: number;
}

/** A slab as it stands. Those who use it change it while it is looked at. */
export interface SlabStatistics {
  readonly maxBytes: number;
  /** Space that the buffers and their records take of the file system. */
  readonly reservedBytes: number;
  readonly used: number;
  readonly usedBytes: number;
  /** References under way. */
  readonly references: number;
  /** Sizes of which there are any. */
  readonly classes: readonly ClassStatistics[];
  /** Places that somebody has, or that a dead one has left with something. */
  readonly holders: readonly HolderStatistics[];
}

/** One buffer in use, and who holds it. */
export interface ChunkHolders {
  readonly chunk: number;
  readonly generation: number;
  readonly length: number;
  /** Slots of those who hold it, dead ones included. */
  readonly slots: readonly number[];
  /** References under way to it. */
  readonly references: number;
}

/** Who holds what. */
export function holdersOf({ memory, region }: MappedSlab): ChunkHolders[] {
  const records = new ChunkRecords({ ...memory.scale, ...memory.geometry }, 0);
  const found: ChunkHolders[] = [];
  memory.forEach((chunk, words, record) => {
    if (records.isFree(words, record)) return;
    const slots = records.slotsOf(words, record);
    const references = records.countReferences(words, record);
    if (slots.length === 0 && references === 0) return; // being taken, or freed
    const [generation, length] = [records.generationOf(words, record), records.lengthOf(words, record)];
    found.push({ chunk, generation, length, slots, references });
  });
  region.verify(); // last: pages that are gone have been read as zeros
  return found;
}

/** The sums of it. */
export function statisticsOf(mapped: MappedSlab): SlabStatistics {
  const { memory, table } = mapped;
  const inUse = holdersOf(mapped);
  const classes = memory.geometry.classes
    .map(({ chunkBytes }, sizeClass) => {
      const used = inUse.filter(({ chunk }) => memory.chunkBytesOf(chunk) === chunkBytes);
      return { chunkBytes, chunks: memory.chunksOf(sizeClass), used: used.length, usedBytes: bytesOf(used) };
    })
    .filter(({ chunks }) => chunks > 0);
  const holders = Array.from({ length: table.slotCount }, (_, slot) => {
    const held = inUse.filter(({ slots }) => slots.includes(slot));
    const line = statisticsLineOf(table, slot);
    return {
      slot,
      alive: table.isTaken(slot) && table.isAlive(slot),
      pid: table.pidOf(slot),
      buffers: held.length,
      bytes: bytesOf(held),
      acquired: line[StatisticsIndex.messages],
      acquiredBytes: line[StatisticsIndex.bytes],
      refusals: line[StatisticsIndex.refusals],
    };
  }).filter(({ alive, buffers }) => alive || buffers > 0);
  return {
    maxBytes: memory.scale.maxBytes,
    reservedBytes: memory.reservedPages * memory.pageSize,
    used: inUse.length,
    usedBytes: bytesOf(inUse),
    references: inUse.reduce((sum, { references }) => sum + references, 0),
    classes,
    holders,
  };
}

function bytesOf(chunks: readonly ChunkHolders[]): number {
  return chunks.reduce((sum, { length }) => sum + length, 0);
}
