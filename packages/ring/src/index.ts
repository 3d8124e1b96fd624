export { Consumer, type Message } from './consumer.ts';
export { Delivery, type NackOptions } from './delivery.ts';
export type { WaitingOptions, WaitOptions } from './endpoint.ts';
export { Action, FULL, type Handler, type RecordView } from './lane.ts';
export type { EndpointOptions } from './lane-endpoint.ts';
export { Producer, type WriteOptions } from './producer.ts';
export {
  attachRing,
  type CreateRingOptions,
  createAnonymousRing,
  createRing,
  type EndpointStatistics,
  type OpenRingOptions,
  openOrCreateRing,
  openRing,
  Ring,
  type RingDescriptor,
  type RingStatistics,
  removeRing,
} from './ring.ts';
export type { RingShape } from './ring-file.ts';
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
