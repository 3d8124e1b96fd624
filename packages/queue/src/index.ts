export type { Codec, CodecChoice } from './codec.ts';
export type { Job } from './job.ts';
export type { ProcessOptions } from './processing.ts';
export {
  attachPubSub,
  type CreatePubSubOptions,
  createAnonymousPubSub,
  createPubSub,
  openOrCreatePubSub,
  openPubSub,
  type PublishOptions,
  PubSub,
  type PubSubDescriptor,
  type PubSubShape,
  type PubSubStatistics,
  removePubSub,
} from './pubsub.ts';
export {
  attachQueue,
  type CreateQueueOptions,
  createAnonymousQueue,
  createQueue,
  openOrCreateQueue,
  openQueue,
  Queue,
  type QueueDescriptor,
  type QueueShape,
  type QueueStatistics,
  removeQueue,
  type SignalOptions,
} from './queue.ts';
export type { MessageOptions, WhenFull } from './queue-options.ts';
export { listQueues, type Pattern, type QueueDescription, type QueueEntry } from './queue-store.ts';
export type { Schema } from './schema.ts';
export {
  attachService,
  type CreateServiceOptions,
  createAnonymousService,
  createService,
  openOrCreateService,
  openService,
  type RequestOptions,
  removeService,
  Service,
  type ServiceDescriptor,
  type ServiceShape,
  type ServiceStatistics,
  type StreamOptions,
} from './service.ts';
export type { ServiceOptions } from './service-options.ts';
export type { RequestContext, ServeOptions, ServiceHandler } from './service-server.ts';
export type { Published, Subscription, SubscriptionOptions } from './subscription.ts';
