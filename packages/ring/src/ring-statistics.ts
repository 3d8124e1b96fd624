import { type SlotTable, StatisticsIndex, statisticsLineOf } from '@memlane/core';
import type { Lanes } from './lanes.ts';
import type { Topology } from './ring-descriptor.ts';
import { backlogBytes, type MappedRing } from './ring-file.ts';

/** What the owners of one place have done since the ring was created, all together. */
export interface EndpointStatistics {
  readonly alive: boolean;
  /** Process that holds or last held the place; 0 when nobody ever did. */
  readonly pid: number;
  readonly messages: number;
  readonly bytes: number;
  /** Commits or advances. */
  readonly batches: number;
  /** Claims that found the ring full. */
  readonly refusals: number;
  /** Times it went to sleep. */
  readonly parks: number;
  /** Times it woke the other side. */
  readonly wakes: number;
  readonly highWaterBytes: number;
}

export interface ConsumerStatistics extends EndpointStatistics {
  /** Of its cursor, if it has one. */
  readonly name: string | undefined;
  /** Bytes written and not yet advanced over, record headers and padding included. */
  readonly backlogBytes: number;
}

/** A ring as it stands. */
export interface RingStatistics {
  readonly topology: Topology;
  /** Data bytes of each producer. */
  readonly capacityBytes: number;
  /** Of the consumer that is furthest behind. */
  readonly backlogBytes: number;
  /** The places that somebody has, or has had; with one producer or consumer, that one in any case. */
  readonly producers: readonly EndpointStatistics[];
  readonly consumers: readonly ConsumerStatistics[];
}

/** Reads what all sides have done. */
export function statisticsOf({ table, lanes }: MappedRing): RingStatistics {
  const { topology, capacityBytes, producers, consumers } = lanes.facts;
  const wasUsed = ({ pid }: EndpointStatistics): boolean => pid !== 0;
  const producing = Array.from({ length: producers }, (_, slot) => statisticsOfSlot(table, slot));
  const consuming = Array.from({ length: consumers }, (_, consumer) => statisticsOfConsumer(table, lanes, consumer));
  const seen = consumers === 1 ? consuming : consuming.filter(wasUsed);
  return {
    topology,
    capacityBytes,
    backlogBytes: Math.max(0, ...seen.map(({ backlogBytes }) => backlogBytes)),
    producers: producers === 1 ? producing : producing.filter(wasUsed),
    consumers: seen,
  };
}

function statisticsOfConsumer(table: SlotTable, lanes: Lanes, consumer: number): ConsumerStatistics {
  const { producers, overwrite, capacityBytes } = lanes.facts;
  const backlog = backlogBytes(lanes, consumer);
  return {
    ...statisticsOfSlot(table, producers + consumer),
    name: lanes.names?.nameOf(consumer),
    backlogBytes: overwrite ? Math.min(backlog, producers * capacityBytes) : backlog,
  };
}

function statisticsOfSlot(table: SlotTable, slot: number): EndpointStatistics {
  const numbers = statisticsLineOf(table, slot);
  return {
    alive: table.isTaken(slot) && table.isAlive(slot),
    pid: table.pidOf(slot),
    messages: numbers[StatisticsIndex.messages],
    bytes: numbers[StatisticsIndex.bytes],
    batches: numbers[StatisticsIndex.batches],
    refusals: numbers[StatisticsIndex.refusals],
    parks: numbers[StatisticsIndex.parks],
    wakes: numbers[StatisticsIndex.rings],
    highWaterBytes: numbers[StatisticsIndex.highWaterBytes],
  };
}
