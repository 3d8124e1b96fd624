import type { Readable, Writable } from 'node:stream';
import { OrderedAttempts } from '@memlane/core';
import { checkOptions, checkSignal, checkType, MemlaneError } from '@memlane/linux';
import {
  attachWorkQueue,
  createAnonymousWorkQueue,
  createWorkQueue,
  type Delivery,
  FULL,
  openWorkQueue,
  removeWorkQueue,
  type WorkConsumer,
  type WorkProducer,
  type WorkQueue,
  type WorkQueueDescriptor,
  type WorkQueueShape,
  type WorkQueueStatistics,
} from '@memlane/ring';
import type { SlabStatistics } from '@memlane/slab';
import { Job } from './job.ts';
import { isSame, Kind, LARGE_BYTES, LargeMessages, type LargeRecord } from './large-messages.ts';
import { type ProcessOptions, processJobs } from './processing.ts';
import { type MessageOptions, type Messages, messagesOf } from './queue-options.ts';
import { type Parts, PartsFactory } from './queue-parts.ts';
import {
  attachOf,
  createAnonymousOf,
  createOf,
  describe,
  openOf,
  openOrCreate,
  removeOf,
  type StoreDescriptor,
  type StoreKind,
  type StorePlan,
  shapeOnly,
} from './store-kind.ts';
import { readableOf, writableOf } from './streams.ts';

/** What the creator of a queue decides of its size. */
export interface QueueShape extends WorkQueueShape {
  /** Space for messages that are longer than `messageBytes`; reserved when it is used. Default 1 GiB. */
  readonly maxLargeBytes?: number;
}

/** How a queue is created. */
export interface CreateQueueOptions<Value> extends QueueShape, MessageOptions<Value> {
  /** Permissions of its files. Default 0600: whoever may open them may read, write and pretend. */
  readonly mode?: number;
}

/** What another thread or process needs to open a queue. Plain data: survives postMessage, JSON and fork. */
export type QueueDescriptor = StoreDescriptor<WorkQueueDescriptor>;

/** What a send or a receive may be told. */
export interface SignalOptions {
  readonly signal?: AbortSignal;
}

/** A queue as it stands. */
export interface QueueStatistics {
  readonly messages: WorkQueueStatistics;
  /** Of the messages that are too long for the queue's own memory. */
  readonly large: SlabStatistics;
}

const KIND: StoreKind<WorkQueueShape, WorkQueue, WorkQueueDescriptor> = {
  pattern: 'work',
  parts: new PartsFactory({
    create: createWorkQueue,
    createAnonymous: createAnonymousWorkQueue,
    open: openWorkQueue,
    attach: attachWorkQueue,
    remove: removeWorkQueue,
  }),
};

/**
 * Creates a queue of typed messages, each of which goes to one receiver.
 *
 * @param name a path, or a bare name, which lives in this user's folder on /dev/shm.
 * @throws ERR_MEMLANE_EXISTS; ERR_MEMLANE_ARGUMENT; LinuxError ENOSPC, EACCES, EROFS.
 * @example
 * using orders = createQueue<Order>('orders', { type: 'order@1', maxDeliveries: 3 });
 * await orders.send({ id: 17, items: ['tea'] });
 */
export function createQueue<Value>(name: string, options: CreateQueueOptions<Value> = {}): Queue<Value> {
  createOf(KIND, name, options, planOf(options));
  return openQueue(name, options);
}

/**
 * Opens a queue that is there.
 *
 * @throws LinuxError ENOENT, EACCES; ERR_MEMLANE_TYPE when it has other messages; ERR_MEMLANE_NOT_MEMLANE and the like, as
 *   {@link openWorkQueue}.
 */
export function openQueue<Value>(name: string, options: MessageOptions<Value> = {}): Queue<Value> {
  const { parts, path } = openOf(KIND, name, options);
  return new Queue(parts, options, path);
}

/** Opens it, or creates it where there is none. @throws as {@link createQueue} and {@link openQueue} */
export function openOrCreateQueue<Value>(name: string, options: CreateQueueOptions<Value> = {}): Queue<Value> {
  return openOrCreate(
    () => openQueue(name, options),
    () => createOf(KIND, name, options, planOf(options)),
  );
}

/** Creates a queue without a name, in memory that nobody can cut. It lives for as long as somebody has it open. */
export function createAnonymousQueue<Value>(options: CreateQueueOptions<Value> = {}): Queue<Value> {
  return new Queue(createAnonymousOf(KIND, options, planOf(options)), options, undefined);
}

/** Opens the queue that a descriptor names. @throws ERR_MEMLANE_DELETED; as {@link openQueue} */
export function attachQueue<Value>(descriptor: QueueDescriptor, options: MessageOptions<Value> = {}): Queue<Value> {
  return new Queue(attachOf(KIND, descriptor, options), options, undefined);
}

/** Deletes a queue that nobody is attached to. @throws ERR_MEMLANE_BUSY while somebody alive is; LinuxError ENOENT */
export function removeQueue(name: string): void {
  removeOf(KIND, name);
}

/** The files that the options ask for. A record has to have room for a reference. */
function planOf<Value>(options: CreateQueueOptions<Value>): StorePlan<WorkQueueShape> {
  const { maxLargeBytes, messageBytes = DEFAULT_MESSAGE_BYTES, ...rest } = shapeOnly(checkOptions('options', options));
  const { producers = DEFAULT_PLACES, consumers = DEFAULT_PLACES } = rest;
  const room = typeof messageBytes === 'number' ? Math.max(messageBytes, LARGE_BYTES) : messageBytes;
  const messages = { ...rest, producers, consumers, messageBytes: room };
  return { shape: { messages, maxLargeBytes, endpoints: producers + consumers }, mode: options.mode };
}

const DEFAULT_PLACES = 16;
const DEFAULT_MESSAGE_BYTES = 1008;
/** From this much room on, values are encoded in the queue's memory; into less, by way of private memory. */
const IN_PLACE_BYTES = 4096;

/**
 * A queue of typed messages, opened by one thread. The first send takes a producer's place in it, the first receive a
 * consumer's, until close().
 *
 * At least once: a message that was sent is delivered, and when its receiver dies, or gives it back, to another one, until one has
 * acknowledged it; after `maxDeliveries` it is a dead letter. Those of one sender are first delivered in their order.
 *
 * @example
 * for await (const job of orders) await handle(job.value); // acknowledged when the next one is asked for
 */
export class Queue<Value> implements Disposable, AsyncIterable<Job<Value>> {
  /** Where it is; undefined for an anonymous one. */
  readonly path: string | undefined;
  readonly #parts: Parts<WorkQueue>;
  readonly #options: MessageOptions<Value>;
  readonly #messages: Messages<Value>;
  readonly #large: LargeMessages;
  readonly #scratch: Buffer;
  readonly #attempts = new OrderedAttempts();
  #producer: WorkProducer | undefined;
  #consumer: WorkConsumer | undefined;
  #closed = false;

  /** Queues come from {@link createQueue} and its siblings. */
  constructor(parts: Parts<WorkQueue>, options: MessageOptions<Value>, path: string | undefined) {
    this.path = path;
    this.#parts = parts;
    this.#options = options;
    this.#messages = messagesOf(options, parts.structures);
    this.#large = new LargeMessages(parts.large, (_, reference) => !this.#hasRecordOf(reference));
    this.#scratch = Buffer.allocUnsafeSlow(parts.messages.messageBytes);
  }

  /**
   * Sends a message if there is room; returns whether it did. Does not block.
   *
   * @throws ERR_MEMLANE_INVALID when the schema refuses it; ERR_MEMLANE_MESSAGE_TOO_LONG; what the codec throws;
   *   ERR_MEMLANE_BUSY when all producers' places are taken; ERR_MEMLANE_CLOSED, ERR_MEMLANE_ENDED; LinuxError ENOSPC.
   */
  trySend(value: Value): boolean {
    const producer = this.#enterProducer();
    const valid = this.#validated(value);
    const { messageBytes } = this.#parts.messages;
    if (messageBytes < IN_PLACE_BYTES) return this.#tryWrite(producer, this.#encode(valid));
    const offset = producer.tryClaim(messageBytes, Kind.inline);
    if (offset === FULL) return false;
    try {
      const encoded = this.#messages.codec.encode(valid, producer.view.buffer.subarray(offset, offset + messageBytes));
      if (typeof encoded === 'number') producer.shrink(encoded, Kind.inline);
      else if (!this.#putLarge(producer, offset, encoded)) {
        producer.abort();
        return false;
      }
    } catch (error) {
      producer.abort();
      throw error;
    }
    producer.commit();
    return true;
  }

  /**
   * Sends a message; while there is no room, does what `whenFull` says. Resolves to whether it was sent, which it always is but with
   * `drop-newest`. Messages that one sends one after the other are sent in that order, awaited or not.
   *
   * @throws (rejects) the signal's reason, with nothing sent; ERR_MEMLANE_FULL with `fail`; as {@link trySend}.
   */
  async send(value: Value, options: SignalOptions = {}): Promise<boolean> {
    const { signal } = checkOptions('options', options);
    checkSignal(signal);
    signal?.throwIfAborted();
    const producer = this.#enterProducer();
    const { whenFull } = this.#messages;
    let bytes = this.#encode(this.#validated(value));
    if (whenFull === 'wait') {
      let isSent = false;
      const sending = this.#attempts.make(
        () => {
          isSent = this.#tryWrite(producer, bytes);
          return isSent;
        },
        (until) => this.#waitForRoom(producer, bytes.length, until),
        signal,
      );
      // It was tried at once, if nobody waited before it; what has to wait is not to be overwritten by the next.
      if (!isSent) bytes = Buffer.from(bytes);
      await sending;
      return true;
    }
    for (;;) {
      if (this.#tryWrite(producer, bytes)) return true;
      if (whenFull === 'drop-newest') return false;
      if (whenFull === 'fail')
        throw new MemlaneError('ERR_MEMLANE_FULL', 'There is no room for the message', { path: this.path });
      this.#discardOldest();
    }
  }

  /** Receives a message if there is one, which is this receiver's until it is acknowledged or given back; null otherwise. */
  tryReceive(): Job<Value> | null {
    const consumer = this.#enterConsumer();
    const delivery = consumer.tryTake();
    return delivery === null ? null : this.#jobOf(delivery);
  }

  /**
   * Receives a message, waiting for it as long as it takes; resolves to null when all senders have said end(), and everything
   * was received and acknowledged.
   *
   * @throws (rejects) the signal's reason; ERR_MEMLANE_CODEC, ERR_MEMLANE_INVALID for a message that cannot be read, which is
   *   given back, and so ends among the dead letters; ERR_MEMLANE_CLOSED.
   */
  async receive(options: SignalOptions = {}): Promise<Job<Value> | null> {
    const consumer = this.#enterConsumer();
    const delivery = await consumer.take(options);
    return delivery === null ? null : this.#jobOf(delivery);
  }

  /** Receives until the end. A message is acknowledged when the next one is asked for; given back when the loop is left by an error. */
  [Symbol.asyncIterator](): AsyncGenerator<Job<Value>, undefined> {
    return this.jobs();
  }

  /** As iterating over the queue; the signal ends it, without an error, after the message that is being handled. */
  async *jobs(options: SignalOptions = {}): AsyncGenerator<Job<Value>, undefined> {
    const { signal } = checkOptions('options', options);
    checkSignal(signal);
    for (;;) {
      let job: Job<Value> | null;
      try {
        if (signal?.aborted === true) return;
        job = await this.receive({ signal });
      } catch (error) {
        if (signal?.aborted === true) return;
        throw error;
      }
      if (job === null) return;
      try {
        yield job;
        if (!job.settled && !this.#closed) job.ack();
      } finally {
        job[Symbol.dispose]();
      }
    }
  }

  /**
   * Receives until the end, and handles so many messages at the same time: each is acknowledged when its handler has resolved, and
   * given back when it has rejected. Resolves when all are through.
   *
   * @example
   * await orders.process((order) => book(order), { concurrency: 8, retryDelayMs: (deliveries) => 100 * 2 ** deliveries });
   */
  process(handler: (value: Value, job: Job<Value>) => unknown, options: ProcessOptions = {}): Promise<void> {
    return processJobs(this, handler, options);
  }

  /** A stream of the values, for `pipeline` and the like; `Readable.toWeb` makes one of the web of it. */
  readable(): Readable {
    return readableOf((signal) => this.#values(signal));
  }

  /** A stream that sends what is written to it. Ending it does not say {@link end}. */
  writable(): Writable {
    return writableOf((value: Value, signal) => this.send(value, { signal }));
  }

  async *#values(signal: AbortSignal): AsyncGenerator<Value, undefined> {
    for await (const { value } of this.jobs({ signal })) yield value;
  }

  /**
   * Hands the dead letters to `handler`, at the most `limit`, and forgets each whose handler has returned. Returns how many.
   *
   * @throws what `handler` throws: that one stays.
   */
  takeDead(handler: (value: Value) => void, limit: number = Number.POSITIVE_INFINITY): number {
    checkType('handler', handler, 'function');
    const over: LargeRecord[] = [];
    const count = this.#enterConsumer().pollDead((view, offset, length, type) => {
      const record = type === Kind.large ? LargeMessages.read(view.data, offset, length) : undefined;
      handler(this.#read(view.buffer, offset, length, record));
      if (record !== undefined) over.push(record);
    }, limit);
    for (const record of over) this.#large.settle(record);
    return count;
  }

  /** Says that this sender sends no more. When all have, the receivers' loops end. Idempotent. */
  end(): void {
    this.#enterProducer().end();
  }

  /** Resolves when everything in the queue has been received and acknowledged, or is a dead letter. */
  async flush(options: SignalOptions = {}): Promise<void> {
    await this.#enterProducer().flush(options);
  }

  /**
   * Gives back the memory of long messages that are done with, which those have left who died just then. Whoever finds no room for
   * one does so, too. Returns how many it was.
   */
  tidy(): number {
    this.#expectOpen();
    return this.#large.tidy();
  }

  /** What is in it, and what has been done. Disturbs nobody. */
  statistics(): QueueStatistics {
    this.#expectOpen();
    const { messages, large } = this.#parts;
    return { messages: messages.statistics(), large: large.statistics() };
  }

  /** What another thread or process needs for {@link attachQueue}. An anonymous one must stay open until it has it. */
  descriptor(): QueueDescriptor {
    this.#expectOpen();
    const { messages, large, structures } = this.#parts;
    return describe('work', this.#options, {
      messages: messages.descriptor(),
      large: large.descriptor(),
      structures: structures?.descriptor(),
    });
  }

  /** Leaves; what was received and not settled is given back. The queue stays, with what is in it. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { messages, structures } = this.#parts;
    messages.close();
    structures?.close();
    this.#large.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #validated(value: Value): Value {
    return this.#messages.validateSent === undefined ? value : this.#messages.validateSent(value);
  }

  /** The bytes of a value, in memory that is used again for the next. */
  #encode(value: Value): Uint8Array {
    const encoded = this.#messages.codec.encode(value, this.#scratch);
    return typeof encoded === 'number' ? this.#scratch.subarray(0, encoded) : encoded;
  }

  #tryWrite(producer: WorkProducer, bytes: Uint8Array): boolean {
    if (bytes.length <= producer.maxMessageBytes) return producer.tryWrite(bytes, Kind.inline);
    const offset = producer.tryClaim(LARGE_BYTES, Kind.large);
    if (offset === FULL) return false;
    let isPut = false;
    try {
      isPut = this.#putLarge(producer, offset, bytes);
    } finally {
      if (!isPut) producer.abort();
    }
    if (isPut) producer.commit();
    return isPut;
  }

  /** Makes the claim at `offset` a reference to a buffer with those bytes; returns whether there was room for one. */
  #putLarge(producer: WorkProducer, offset: number, bytes: Uint8Array): boolean {
    if (bytes.length > this.#large.maxLength)
      throw new MemlaneError(
        'ERR_MEMLANE_MESSAGE_TOO_LONG',
        `The message has ${bytes.length} bytes, but the longest that fits is ${this.#large.maxLength}`,
        { path: this.path },
      );
    using buffer = this.#large.tryPut(bytes);
    if (buffer === null) return false;
    producer.shrink(LARGE_BYTES, Kind.large);
    this.#large.consign(buffer, producer.view.data, offset, { lane: 0, position: 0 });
    return true;
  }

  async #waitForRoom(producer: WorkProducer, length: number, signal: AbortSignal | undefined): Promise<void> {
    if (length > producer.maxMessageBytes) await this.#large.waitForRoom(length, signal);
    await producer.wait({ signal });
  }

  /** Takes the message that would be delivered next, and forgets it. */
  #discardOldest(): void {
    const delivery = this.#enterConsumer().tryTake();
    if (delivery === null) return; // all are being handled: what comes free next is room
    const record = recordOf(delivery);
    delivery.ack();
    if (record !== undefined) this.#large.settle(record);
  }

  #jobOf(delivery: Delivery): Job<Value> {
    const record = recordOf(delivery);
    try {
      const value = this.#read(delivery.view.buffer, delivery.offset, delivery.length, record);
      return new Job(value, delivery, () => {
        if (record !== undefined) this.#large.settle(record);
      });
    } catch (error) {
      delivery.nack();
      throw error;
    }
  }

  /** The value in a record, or in the buffer that it refers to. */
  #read(source: Buffer, offset: number, length: number, record: LargeRecord | undefined): Value {
    const { codec, validateReceived } = this.#messages;
    const value =
      record === undefined ? codec.decode(source, offset, offset + length) : this.#large.decode(record, codec);
    return validateReceived === undefined ? value : validateReceived(value);
  }

  /** Whether a reference is in any record that is not done with. */
  #hasRecordOf(reference: LargeRecord['reference']): boolean {
    let isThere = false;
    this.#parts.messages.inspect((view, offset, length, type) => {
      if (type !== Kind.large || length !== LARGE_BYTES) return;
      if (isSame(LargeMessages.read(view.data, offset, length).reference, reference)) isThere = true;
    });
    return isThere;
  }

  #enterProducer(): WorkProducer {
    this.#expectOpen();
    this.#producer ??= this.#parts.messages.producer();
    return this.#producer;
  }

  #enterConsumer(): WorkConsumer {
    this.#expectOpen();
    if (this.#consumer === undefined) {
      this.#consumer = this.#parts.messages.consumer();
      this.#large.tidy(); // the one before it may have died beside something that was done with
    }
    return this.#consumer;
  }

  #expectOpen(): void {
    if (this.#closed) throw new MemlaneError('ERR_MEMLANE_CLOSED', 'The queue is closed', { path: this.path });
  }
}

/** What a delivery says of a message that is not in it; undefined when it is. */
function recordOf({ type, view, offset, length }: Delivery): LargeRecord | undefined {
  return type === Kind.large ? LargeMessages.read(view.data, offset, length) : undefined;
}
