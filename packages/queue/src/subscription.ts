import type { Readable } from 'node:stream';
import { checkOptions, checkSignal, MemlaneError } from '@memlane/linux';
import type { Consumer, Loss, RecordView, Retention, Ring } from '@memlane/ring';
import type { Codec } from './codec.ts';
import { Kind, LargeMessages, type LargeRecord } from './large-messages.ts';
import type { Validator } from './schema.ts';
import { readableOf } from './streams.ts';
import type { TopicMatcher } from './topics.ts';

/** How one subscribes. */
export interface SubscriptionOptions {
  /**
   * Where it begins: `now`, at what is published from here on (the default); `oldest`, at the oldest message that is still there.
   */
  readonly from?: 'now' | 'oldest';
  /** Name of a subscription that outlives its subscriber: the next one of that name goes on where this one was. One at a time. */
  readonly name?: string;
  /** What is kept for the name while nobody reads by it. Default `everything`, which stops the publishers when the ring is full. */
  readonly retain?: Retention;
  /** Called when messages were lost to this subscriber: overwritten before it had read them, or not kept for its name. */
  readonly onLoss?: (loss: Loss) => void;
}

/** A message that was published. The subscriber's own: nothing in it is the ring's memory. */
export interface Published<Value> {
  readonly topic: string;
  readonly value: Value;
}

/** What a subscription needs. */
export interface Feed<Value> {
  readonly consumer: Consumer;
  readonly matches: TopicMatcher;
  readonly codec: Codec<Value>;
  readonly validate: Validator<Value> | undefined;
  readonly large: LargeMessages;
  readonly ring: Ring;
  readonly onLoss: SubscriptionOptions['onLoss'];
}

/** What a message has failed with, whatever that is. */
interface Failure {
  readonly error: unknown;
}

/** What a wait may be told. */
interface ReceiveOptions {
  readonly signal?: AbortSignal;
}

/**
 * A subscription, used by one thread. A message counts as read when the next one is asked for: after a death, the next subscriber
 * of the same name begins with the one that was being handled.
 *
 * @example
 * for await (const { topic, value } of prices.subscribe('tea.*', { name: 'billing' })) book(topic, value);
 */
export class Subscription<Value> implements Disposable, AsyncIterable<Published<Value>> {
  readonly #feed: Feed<Value>;
  readonly #onClose: (subscription: Subscription<Value>) => void;
  /** References of records that were passed and are not advanced over. */
  #passed: LargeRecord[] = [];
  /** Those that others may not have read yet. */
  #unsettled: LargeRecord[] = [];
  #found: Published<Value> | undefined;
  #failure: Failure | undefined;
  #lost = 0;
  #closed = false;

  /** Subscriptions come from {@link PubSub.subscribe}. */
  constructor(feed: Feed<Value>, onClose: (subscription: Subscription<Value>) => void) {
    this.#feed = feed;
    this.#onClose = onClose;
  }

  /** The next message, if there is one; otherwise null. Does not block. */
  tryReceive(): Published<Value> | null {
    this.#expectOpen();
    this.#advance();
    this.#found = undefined;
    this.#failure = undefined;
    for (;;) {
      const isThere = this.#feed.consumer.tryPass(this.#look);
      if (this.#failure !== undefined) throw (this.#failure as Failure).error;
      if (this.#found !== undefined || !isThere) return this.#found ?? null;
    }
  }

  /**
   * The next message, waiting for it as long as it takes; resolves to null when all publishers have said end(), and everything
   * was read.
   *
   * @throws (rejects) the signal's reason; ERR_MEMLANE_CODEC, ERR_MEMLANE_INVALID for a message that cannot be read, which is
   *   passed; ERR_MEMLANE_EVICTED, ERR_MEMLANE_CLOSED.
   */
  async receive(options: ReceiveOptions = {}): Promise<Published<Value> | null> {
    const { signal } = checkOptions('options', options);
    checkSignal(signal);
    const { consumer } = this.#feed;
    for (;;) {
      const message = this.tryReceive();
      if (message !== null) return message;
      this.#advance();
      if (consumer.isEnded) return null;
      await consumer.wait({ signal });
    }
  }

  /** Receives until the end. */
  [Symbol.asyncIterator](): AsyncGenerator<Published<Value>, undefined> {
    return this.messages();
  }

  /** As iterating over it; the signal ends it, without an error, after the message that is being handled. */
  async *messages(options: ReceiveOptions = {}): AsyncGenerator<Published<Value>, undefined> {
    const { signal } = checkOptions('options', options);
    checkSignal(signal);
    for (;;) {
      let message: Published<Value> | null;
      try {
        if (signal?.aborted === true) return;
        message = await this.receive({ signal });
      } catch (error) {
        if (signal?.aborted === true) return;
        throw error;
      }
      if (message === null) return;
      yield message;
      if (this.#closed) return;
    }
  }

  /** A stream of the messages; `Readable.toWeb` makes one of the web of it. */
  readable(): Readable {
    return readableOf((signal) => this.messages({ signal }));
  }

  /** Messages that were lost to this subscriber. */
  get lostMessages(): number {
    return this.#feed.consumer.lostMessages + this.#lost;
  }

  /** Ends it; its place is kept when it has a name. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#feed.consumer.close();
    this.#settle();
    this.#onClose(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Looks at a record: what comes of it is {@link #found}, {@link #failure}, or nothing. Never throws: the record would come again. */
  readonly #look = (view: RecordView, offset: number, length: number, type: number): void => {
    try {
      this.#found = this.#read(view, offset, length, type);
    } catch (error) {
      if ((error as MemlaneError).code === 'ERR_MEMLANE_STALE') this.#lose(length);
      else this.#failure = { error };
    }
  };

  #read({ u8, data, buffer }: RecordView, offset: number, length: number, type: number): Published<Value> | undefined {
    const topicBytes = u8[offset];
    const begin = offset + 1 + topicBytes;
    if (1 + topicBytes > length)
      throw new MemlaneError('ERR_MEMLANE_CORRUPT', `A topic of ${topicBytes} bytes`, { field: 'topic' });
    const record = type === Kind.large ? LargeMessages.read(data, begin, length - 1 - topicBytes) : undefined;
    if (record !== undefined) this.#passed.push(record);
    const { matches, codec, large, validate } = this.#feed;
    const topic = buffer.toString('utf8', offset + 1, begin);
    if (!matches(topic)) return undefined;
    const value = record === undefined ? codec.decode(buffer, begin, offset + length) : large.decode(record, codec);
    return { topic, value: validate === undefined ? value : validate(value) };
  }

  /** A long message whose buffer was given back: everybody had read it before this subscriber came. */
  #lose(bytes: number): void {
    this.#lost += 1;
    this.#feed.onLoss?.({ records: 1, bytes });
  }

  /** Counts what was passed as read. */
  #advance(): void {
    this.#feed.consumer.advance();
    if (this.#passed.length === 0 && this.#unsettled.length === 0) return;
    this.#unsettled.push(...this.#passed);
    this.#passed = [];
    this.#settle();
  }

  /** Ends the references that everybody has read; whoever is the last to read one does. */
  #settle(): void {
    const { ring, large } = this.#feed;
    let count = 0;
    for (const record of this.#unsettled) {
      if (!ring.isOver(record.place)) break; // nor are those behind it, most likely
      large.settle(record);
      count += 1;
    }
    this.#unsettled.splice(0, count);
  }

  #expectOpen(): void {
    if (this.#closed) throw new MemlaneError('ERR_MEMLANE_CLOSED', 'The subscription is closed');
  }
}
