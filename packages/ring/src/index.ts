export type { CreateOptions, OpenOptions, WaitingOptions, WaitOptions } from '@memlane/core';
export { Consumer, type Message } from './consumer.ts';
export type { ConsumerOptions } from './consumer-options.ts';
export {
  attachCounters,
  type CounterOptions,
  Counters,
  type CountersDescriptor,
  type CreateCountersOptions,
  createAnonymousCounters,
  createCounters,
  openCounters,
  openOrCreateCounters,
  removeCounters,
} from './counters.ts';
export type { CountersShape } from './counters-file.ts';
export type { Counter, Gauge } from './counters-handle.ts';
export type { CounterEntry } from './counters-records.ts';
export { Delivery, type NackOptions } from './delivery.ts';
export type { EndpointOptions } from './lane-endpoint.ts';
export type { RecordView } from './lane-memory.ts';
export { Action, type Handler } from './lane-reader.ts';
export { FULL } from './lane-writer.ts';
export {
  attachLatestValue,
  type CreateLatestValueOptions,
  createAnonymousLatestValue,
  createLatestValue,
  LatestValue,
  type LatestValueDescriptor,
  type LatestValueStatistics,
  openLatestValue,
  openOrCreateLatestValue,
  removeLatestValue,
} from './latest-value.ts';
export type { LatestValueShape } from './latest-value-file.ts';
export type { ChangeOptions, LatestReader, VersionedValue } from './latest-value-reader.ts';
export type { LatestWriter } from './latest-value-writer.ts';
export { Producer, type WriteOptions } from './producer.ts';
export type { Retention } from './retention.ts';
export {
  attachRing,
  type CreateRingOptions,
  createAnonymousRing,
  createRing,
  type OpenRingOptions,
  openOrCreateRing,
  openRing,
  Ring,
  type RingDescriptor,
  removeRing,
} from './ring.ts';
export type { Topology } from './ring-descriptor.ts';
export type { RingShape } from './ring-file.ts';
export type { ConsumerStatistics, EndpointStatistics, RingStatistics } from './ring-statistics.ts';
export type { Loss } from './standing.ts';
export { WorkConsumer } from './work-consumer.ts';
export type { WorkQueueShape } from './work-file.ts';
export { WorkProducer, type WorkWriteOptions } from './work-producer.ts';
export {
  attachWorkQueue,
  type CreateWorkQueueOptions,
  createAnonymousWorkQueue,
  createWorkQueue,
  type OpenWorkQueueOptions,
  openOrCreateWorkQueue,
  openWorkQueue,
  removeWorkQueue,
  WorkQueue,
  type WorkQueueDescriptor,
  type WorkQueueStatistics,
} from './work-queue.ts';
export type { WorkVigil } from './work-vigil.ts';
export type { Inspector } from './work-withdrawal.ts';
