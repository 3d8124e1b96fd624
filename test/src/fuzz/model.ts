import { CHECKSUM_BYTES, recordBytes } from '@memlane/ring/layout';

/** A message that the model knows. */
export interface Sent {
  readonly type: number;
  readonly data: Uint8Array;
}

/** What a poll handler does with one record. */
export type Deed = 'continue' | 'nothing' | 'break' | 'commit' | 'abort' | 'throw' | 'close' | 'reply';

/**
 * A ring as it is promised, in lists: what is claimed, what is published, what of it the consumer has seen to be there,
 * what it has handled and not given back.
 */
export class Model {
  readonly capacityBytes: number;
  readonly checksums: boolean;
  /** Position up to which records are published, not reduced. */
  #published: number;
  readonly claims: Sent[] = [];
  readonly queue: Sent[] = [];
  readonly handled: Sent[] = [];
  /** How many of the queue the consumer knows of: it looks again only when it has come to their end. */
  seen = 0;
  ended = false;
  readonly producer = { messages: 0, bytes: 0, batches: 0, refusals: 0 };
  readonly consumer = { messages: 0, bytes: 0, batches: 0, refusals: 0 };

  constructor(capacityBytes: number, startPosition: number, checksums: boolean) {
    this.checksums = checksums;
    this.capacityBytes = capacityBytes;
    this.#published = startPosition;
  }

  get maxLength(): number {
    return this.capacityBytes - recordBytes(0, 0) - (this.checksums ? CHECKSUM_BYTES : 0);
  }

  get backlogBytes(): number {
    return this.#bytesOf(this.queue) + this.#bytesOf(this.handled);
  }

  /** Whether a claim of that length finds room. */
  hasRoomFor(length: number): boolean {
    return this.backlogBytes + this.#bytesOf(this.claims) + this.#recordBytes(length) <= this.capacityBytes;
  }

  /** Offset of the payload that a claim made now gets. */
  get offset(): number {
    return ((this.#published + this.#bytesOf(this.claims)) % this.capacityBytes) + recordBytes(0, 0);
  }

  commit(): void {
    if (this.claims.length === 0) return;
    count(this.producer, this.claims);
    this.#published += this.#bytesOf(this.claims);
    this.queue.push(...this.claims.splice(0));
  }

  /** Whether the consumer finds a record, having looked again if it had to. */
  look(): boolean {
    if (this.seen === 0) this.seen = this.queue.length;
    return this.seen > 0;
  }

  /** The next record, handled. */
  handle(): Sent {
    this.seen -= 1;
    const next = this.queue.shift() as Sent;
    this.handled.push(next);
    return next;
  }

  release(): void {
    if (this.handled.length === 0) return;
    count(this.consumer, this.handled);
    this.handled.splice(0);
  }

  /** A consumer has left; its successor begins at what was given back. */
  consumerLeft(): void {
    this.queue.unshift(...this.handled.splice(0));
    this.seen = 0;
  }

  producerLeft(): void {
    this.claims.splice(0);
    this.ended = false;
  }

  #bytesOf(messages: readonly Sent[]): number {
    return messages.reduce((sum, { data }) => sum + this.#recordBytes(data.length), 0);
  }

  #recordBytes(length: number): number {
    return recordBytes(length, this.checksums ? CHECKSUM_BYTES : 0);
  }
}

function count(into: { messages: number; bytes: number; batches: number }, messages: readonly Sent[]): void {
  into.messages += messages.length;
  into.bytes += messages.reduce((sum, { data }) => sum + data.length, 0);
  into.batches += 1;
}
