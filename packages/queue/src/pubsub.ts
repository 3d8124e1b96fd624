import { OrderedAttempts } from '@memlane/core';
import { checkOptions, checkSignal, MemlaneError } from '@memlane/linux';
import {
  attachRing,
  createAnonymousRing,
  createRing,
  FULL,
  openRing,
  type Producer,
  type Ring,
  type RingDescriptor,
  type RingShape,
  type RingStatistics,
  removeRing,
} from '@memlane/ring';
import type { SlabStatistics } from '@memlane/slab';
import { Kind, LARGE_BYTES, LargeMessages } from './large-messages.ts';
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
import { Subscription, type SubscriptionOptions } from './subscription.ts';
import { checkTopic, MAX_TOPIC_BYTES, matcherOf } from './topics.ts';

/** What the creator decides of the size. */
export interface PubSubShape {
  /** Memory for the messages of each publisher; a power of two, at least 4 KiB. Default 1 MiB. */
  readonly capacityBytes?: number;
  /** How many may publish at a time. Default 16. */
  readonly publishers?: number;
  /** How many subscriptions there may be at a time, those that are kept for a name included. Default 16. */
  readonly subscribers?: number;
  /** Space for messages that are too long for `capacityBytes / 8`; reserved when it is used. Default 1 GiB. */
  readonly maxLargeBytes?: number;
  /** A subscriber that is further behind when a publisher needs the room is passed over, and fails with ERR_MEMLANE_EVICTED. */
  readonly maxLagBytes?: number;
}

/** How it is created. With `whenFull: 'overwrite-oldest'` publishers never wait, and slow subscribers lose messages. */
export interface CreatePubSubOptions<Value> extends PubSubShape, MessageOptions<Value> {
  /** Permissions of its files. Default 0600: whoever may open them may read, write and pretend. */
  readonly mode?: number;
}

/** What another thread or process needs to open it. Plain data: survives postMessage, JSON and fork. */
export type PubSubDescriptor = StoreDescriptor<RingDescriptor>;

/** What a publish may be told. */
export interface PublishOptions {
  readonly signal?: AbortSignal;
}

/** As it stands. */
export interface PubSubStatistics {
  readonly messages: RingStatistics;
  /** Of the messages that are too long for the ring. */
  readonly large: SlabStatistics;
}

const KIND: StoreKind<RingShape, Ring, RingDescriptor> = {
  pattern: 'topics',
  parts: new PartsFactory({
    create: createRing,
    createAnonymous: createAnonymousRing,
    open: openRing,
    attach: attachRing,
    remove: removeRing,
  }),
};

/**
 * Creates a place where messages are published by topic, and everybody reads those of the topics that they subscribe to.
 *
 * @param name a path, or a bare name, which lives in this user's folder on /dev/shm.
 * @throws ERR_MEMLANE_EXISTS; ERR_MEMLANE_ARGUMENT; LinuxError ENOSPC, EACCES, EROFS.
 * @example
 * using prices = createPubSub<number>('prices');
 * await prices.publish('tea.green', 4.5);
 */
export function createPubSub<Value>(name: string, options: CreatePubSubOptions<Value> = {}): PubSub<Value> {
  createOf(KIND, name, options, planOf(options));
  return openPubSub(name, options);
}

/** Opens one that is there. @throws as {@link openQueue} */
export function openPubSub<Value>(name: string, options: MessageOptions<Value> = {}): PubSub<Value> {
  const { parts, path } = openOf(KIND, name, options);
  return new PubSub(parts, options, path);
}

/** Opens it, or creates it where there is none. @throws as {@link createPubSub} and {@link openPubSub} */
export function openOrCreatePubSub<Value>(name: string, options: CreatePubSubOptions<Value> = {}): PubSub<Value> {
  return openOrCreate(
    () => openPubSub(name, options),
    () => createOf(KIND, name, options, planOf(options)),
  );
}

/** Creates one without a name, in memory that nobody can cut. It lives for as long as somebody has it open. */
export function createAnonymousPubSub<Value>(options: CreatePubSubOptions<Value> = {}): PubSub<Value> {
  return new PubSub(createAnonymousOf(KIND, options, planOf(options)), options, undefined);
}

/** Opens the one that a descriptor names. @throws ERR_MEMLANE_DELETED; as {@link openPubSub} */
export function attachPubSub<Value>(descriptor: PubSubDescriptor, options: MessageOptions<Value> = {}): PubSub<Value> {
  return new PubSub(attachOf(KIND, descriptor, options), options, undefined);
}

/** Deletes one that nobody is attached to. @throws ERR_MEMLANE_BUSY while somebody alive is; LinuxError ENOENT */
export function removePubSub(name: string): void {
  removeOf(KIND, name);
}

const DEFAULT_CAPACITY_BYTES = 2 ** 20;
const DEFAULT_PLACES = 16;
/** A longer message goes through the slab: one that filled the ring would have everybody wait for the slowest. */
const INLINE_SHIFT = 3;

/** The files that the options ask for. */
function planOf<Value>(options: CreatePubSubOptions<Value>): StorePlan<RingShape> {
  const {
    publishers = DEFAULT_PLACES,
    subscribers = DEFAULT_PLACES,
    capacityBytes = DEFAULT_CAPACITY_BYTES,
    maxLargeBytes,
    maxLagBytes,
  } = shapeOnly(checkOptions('options', options));
  const overwrite = options.whenFull === 'overwrite-oldest';
  const messages = {
    topology: 'bus',
    producers: publishers,
    consumers: subscribers,
    capacityBytes,
    overwrite,
    maxLagBytes,
  } as const;
  return { shape: { messages, maxLargeBytes, endpoints: publishers + subscribers }, mode: options.mode };
}

/**
 * Publish and subscribe, opened by one thread. The first publish takes a publisher's place, until close(); each subscription
 * takes one of its own.
 *
 * Every subscriber gets every message of its topics, those of one publisher in their order. While the ring is full, publishers
 * wait for the slowest subscriber that is alive; for those that died nobody waits, unless a name keeps their place.
 *
 * @example
 * for await (const { topic, value } of prices.subscribe('tea.*')) show(topic, value);
 */
export class PubSub<Value> implements Disposable {
  /** Where it is; undefined for an anonymous one. */
  readonly path: string | undefined;
  readonly #parts: Parts<Ring>;
  readonly #options: MessageOptions<Value>;
  readonly #messages: Messages<Value>;
  readonly #large: LargeMessages;
  readonly #inlineBytes: number;
  readonly #scratch: Buffer;
  readonly #subscriptions = new Set<Subscription<Value>>();
  readonly #attempts = new OrderedAttempts();
  #producer: Producer | undefined;
  #closed = false;

  /** They come from {@link createPubSub} and its siblings. */
  constructor(parts: Parts<Ring>, options: MessageOptions<Value>, path: string | undefined) {
    this.path = path;
    this.#parts = parts;
    this.#options = options;
    this.#messages = messagesOf(options, parts.structures);
    this.#large = new LargeMessages(parts.large, (place) => parts.messages.isOver(place));
    this.#inlineBytes = parts.messages.capacityBytes >> INLINE_SHIFT;
    this.#scratch = Buffer.allocUnsafeSlow(this.#inlineBytes);
  }

  /**
   * Publishes a message if there is room; returns whether it did. Does not block.
   *
   * @param topic parts with dots between them.
   * @throws ERR_MEMLANE_ARGUMENT; ERR_MEMLANE_INVALID when the schema refuses it; ERR_MEMLANE_MESSAGE_TOO_LONG; what the codec
   *   throws; ERR_MEMLANE_BUSY when all publishers' places are taken; ERR_MEMLANE_CLOSED; LinuxError ENOSPC.
   */
  tryPublish(topic: string, value: Value): boolean {
    const producer = this.#enter();
    checkTopic(topic);
    return this.#tryWrite(producer, topic, this.#encode(value));
  }

  /**
   * Publishes a message; while there is no room, does what `whenFull` says. Resolves to whether it was published, which it always is
   * but with `drop-newest`. What one publishes one after the other is published in that order, awaited or not.
   *
   * @throws (rejects) the signal's reason, with nothing published; ERR_MEMLANE_FULL with `fail`; as {@link tryPublish}.
   */
  async publish(topic: string, value: Value, options: PublishOptions = {}): Promise<boolean> {
    const { signal } = checkOptions('options', options);
    checkSignal(signal);
    signal?.throwIfAborted();
    const producer = this.#enter();
    checkTopic(topic);
    const { whenFull } = this.#messages;
    const bytes = this.#encode(value);
    if (whenFull === 'drop-newest' || whenFull === 'fail') {
      const isPublished = this.#tryWrite(producer, topic, bytes);
      if (!isPublished && whenFull === 'fail')
        throw new MemlaneError('ERR_MEMLANE_FULL', 'There is no room for the message', { path: this.path });
      return isPublished;
    }
    let [own, isPublished] = [bytes, false];
    const publishing = this.#attempts.make(
      () => {
        isPublished = this.#tryWrite(producer, topic, own);
        return isPublished;
      },
      (until) => this.#waitForRoom(producer, own.length, until),
      signal,
    );
    // It was tried at once, if nobody waited before it; what has to wait is not to be overwritten by the next.
    if (!isPublished) own = Buffer.from(bytes);
    await publishing;
    return true;
  }

  /**
   * Subscribes to topics: of parts with dots between them `*` stands for one, `>` at the end for one or more.
   *
   * @param patterns one or more of which a topic has to match. Default: all topics.
   * @throws ERR_MEMLANE_ARGUMENT; ERR_MEMLANE_BUSY when all places, or that of the name, are taken; ERR_MEMLANE_CLOSED.
   */
  subscribe(patterns: string | readonly string[] = '>', options: SubscriptionOptions = {}): Subscription<Value> {
    this.#expectOpen();
    const matches = matcherOf(patterns);
    const consumer = this.#parts.messages.consumer(options);
    const { codec, validateReceived } = this.#messages;
    const subscription = new Subscription<Value>(
      {
        consumer,
        matches,
        codec,
        validate: validateReceived,
        large: this.#large,
        ring: this.#parts.messages,
        onLoss: options.onLoss,
      },
      (ended) => this.#subscriptions.delete(ended),
    );
    this.#subscriptions.add(subscription);
    return subscription;
  }

  /** Forgets what is kept for a name; returns whether there was such a subscription. @throws ERR_MEMLANE_BUSY while it is in use */
  unsubscribe(name: string): boolean {
    this.#expectOpen();
    return this.#parts.messages.removeCursor(name);
  }

  /** Says that this publisher publishes no more. When all have, the subscribers' loops end. Idempotent. */
  end(): void {
    this.#enter().end();
  }

  /** Resolves when all subscribers have read what was published here. */
  async flush(options: PublishOptions = {}): Promise<void> {
    await this.#enter().flush(options);
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
  statistics(): PubSubStatistics {
    this.#expectOpen();
    const { messages, large } = this.#parts;
    return { messages: messages.statistics(), large: large.statistics() };
  }

  /** What another thread or process needs for {@link attachPubSub}. An anonymous one must stay open until it has it. */
  descriptor(): PubSubDescriptor {
    this.#expectOpen();
    const { messages, large, structures } = this.#parts;
    return describe('topics', this.#options, {
      messages: messages.descriptor(),
      large: large.descriptor(),
      structures: structures?.descriptor(),
    });
  }

  /** Ends the subscriptions made here, and leaves. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const subscription of this.#subscriptions) subscription.close();
    const { messages, structures } = this.#parts;
    messages.close();
    structures?.close();
    this.#large.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The bytes of a value, in memory that is used again for the next. */
  #encode(value: Value): Uint8Array {
    const { codec, validateSent } = this.#messages;
    const encoded = codec.encode(validateSent === undefined ? value : validateSent(value), this.#scratch);
    return typeof encoded === 'number' ? this.#scratch.subarray(0, encoded) : encoded;
  }

  #tryWrite(producer: Producer, topic: string, bytes: Uint8Array): boolean {
    const topicBytes = Buffer.byteLength(topic);
    const isLarge = 1 + topicBytes + bytes.length > this.#inlineBytes;
    if (!isLarge) {
      const offset = producer.tryClaim(1 + topicBytes + bytes.length, Kind.inline);
      if (offset === FULL) return false;
      producer.view.u8.set(bytes, writeTopic(producer, offset, topic, topicBytes));
      producer.commit();
      return true;
    }
    if (bytes.length > this.#large.maxLength)
      throw new MemlaneError(
        'ERR_MEMLANE_MESSAGE_TOO_LONG',
        `The message has ${bytes.length} bytes, but the longest that fits is ${this.#large.maxLength}`,
        { path: this.path },
      );
    using buffer = this.#large.tryPut(bytes);
    if (buffer === null) return false;
    const offset = producer.tryClaim(1 + topicBytes + LARGE_BYTES, Kind.large);
    if (offset === FULL) return false;
    const at = writeTopic(producer, offset, topic, topicBytes);
    this.#large.consign(buffer, producer.view.data, at, producer.place);
    producer.commit();
    return true;
  }

  async #waitForRoom(producer: Producer, length: number, signal: AbortSignal | undefined): Promise<void> {
    const isLarge = 1 + MAX_TOPIC_BYTES + length > this.#inlineBytes;
    if (isLarge) await this.#large.waitForRoom(length, signal);
    await producer.wait({ signal, length: 1 + MAX_TOPIC_BYTES + (isLarge ? LARGE_BYTES : length) });
  }

  #enter(): Producer {
    this.#expectOpen();
    this.#producer ??= this.#parts.messages.producer();
    return this.#producer;
  }

  #expectOpen(): void {
    if (this.#closed) throw new MemlaneError('ERR_MEMLANE_CLOSED', 'It is closed', { path: this.path });
  }
}

/** Writes a topic behind its length; returns where it ends. */
function writeTopic({ view }: Producer, offset: number, topic: string, bytes: number): number {
  view.u8[offset] = bytes;
  view.buffer.write(topic, offset + 1, bytes, 'utf8');
  return offset + 1 + bytes;
}
