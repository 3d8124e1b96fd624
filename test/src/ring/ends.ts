import {
  Action,
  attachRing,
  type Consumer,
  type EndpointOptions,
  FULL,
  type Producer,
  type Ring,
  type RingDescriptor,
} from 'memlane';
import { type PlainError, plainError } from '../support/speech.ts';
import { fault, fill, lengthOf, type Traffic, typeOf } from './traffic.ts';

/*
 * What the conformance cases can ask of the two ends of a ring, wherever these are: everything passed and returned
 * survives a structured clone, so each method can be called across threads and processes (see ./places.ts).
 */

/** A message as a case sees it. */
export interface Received {
  readonly data: Uint8Array;
  readonly type: number;
}

/** What a poll did: how many it counted, what the handler saw, and how full the ring was each time it was called. */
export interface Polled {
  readonly count: number;
  readonly seen: readonly Received[];
  readonly backlogs: readonly number[];
  readonly error?: PlainError;
}

/** What the poll handler is to do at its n-th call; after the last of them it returns nothing. */
export type Step = Action | 'throw' | 'close' | 'closeRing' | 'readOn' | undefined;

/** How a stream is written and read. */
export interface StreamPlan {
  readonly traffic: Traffic;
  readonly count: number;
  readonly blocking: boolean;
  readonly maxBatch: number;
}

abstract class End<Endpoint extends Producer | Consumer> {
  #ring: Ring | undefined;
  #ownsRing = false;
  #endpoint: Endpoint | undefined;
  readonly #aborts = new Map<string, AbortController>();

  /** Attaches to the ring of another thread or process. */
  attach(descriptor: RingDescriptor, folder: string): void {
    this.reset();
    process.env.MEMLANE_DIR = folder;
    this.#ring = attachRing(descriptor);
    this.#ownsRing = true;
  }

  /** Uses a ring of this thread. */
  use(ring: Ring): void {
    this.reset();
    this.#ring = ring;
  }

  open(options: EndpointOptions = {}): void {
    this.#endpoint = this.take(this.ring, options);
  }

  reset(): void {
    this.#endpoint?.close();
    this.#endpoint = undefined;
    this.#aborts.clear();
    if (this.#ownsRing) this.#ring?.close();
    this.#ring = undefined;
    this.#ownsRing = false;
  }

  close(): void {
    this.endpoint.close();
  }

  dispose(): void {
    this.endpoint[Symbol.dispose]();
  }

  closeRing(): void {
    this.ring.close();
  }

  isClosed(): boolean {
    return this.endpoint.closed;
  }

  isPeerAlive(): boolean {
    return this.endpoint.isPeerAlive();
  }

  ref(): void {
    this.endpoint.ref();
  }

  unref(): void {
    this.endpoint.unref();
  }

  /** Both in one turn of the event loop. */
  unrefAndClose(): void {
    this.endpoint.unref();
    this.endpoint.close();
  }

  unrefAndAbort(key: string): void {
    this.endpoint.unref();
    this.abortBy(key);
  }

  /** Aborts what was begun with that key, with an error of code 'ABORTED_BY_TEST'. */
  abortBy(key: string): void {
    this.#controller(key).abort(Object.assign(new Error('aborted by the test'), { code: 'ABORTED_BY_TEST' }));
  }

  protected signal(key: string | undefined): AbortSignal | undefined {
    return key === undefined ? undefined : this.#controller(key).signal;
  }

  protected abstract take(ring: Ring, options: EndpointOptions): Endpoint;

  protected get ring(): Ring {
    if (this.#ring === undefined) throw new Error('no ring');
    return this.#ring;
  }

  protected get endpoint(): Endpoint {
    if (this.#endpoint === undefined) throw new Error('not open');
    return this.#endpoint;
  }

  #controller(key: string): AbortController {
    let controller = this.#aborts.get(key);
    if (controller === undefined) {
      controller = new AbortController();
      this.#aborts.set(key, controller);
    }
    return controller;
  }
}

export class ProducerEnd extends End<Producer> {
  protected take(ring: Ring, options: EndpointOptions): Producer {
    return ring.producer(options);
  }

  maxMessageBytes(): number {
    return this.endpoint.maxMessageBytes;
  }

  /** Claims without writing anything. */
  claim(length: number, type?: number): number {
    return this.endpoint.tryClaim(length, type);
  }

  /** Claims, writes the payload where there is room, and returns the offset. */
  claimFor(payload: Uint8Array | string, type?: number): number {
    const bytes = Buffer.from(payload as string);
    const offset = this.endpoint.tryClaim(bytes.length, type);
    if (offset !== FULL) this.endpoint.view.u8.set(bytes, offset);
    return offset;
  }

  /** Claims 40 bytes and writes a part through each view. */
  claimThroughEveryView(): number {
    const { view } = this.endpoint;
    const offset = this.endpoint.tryClaim(40);
    if (offset === FULL) return offset;
    view.u8[offset] = 0xa5;
    view.i32[(offset >> 2) + 1] = -2;
    view.f64[(offset >> 3) + 1] = Math.PI;
    view.data.setBigUint64(offset + 16, 0x0123456789abcdefn, true);
    view.buffer.write('ring', offset + 24, 'latin1');
    view.u8[offset + 39] = 0x5a;
    return offset;
  }

  commit(): void {
    this.endpoint.commit();
  }

  abort(): void {
    this.endpoint.abort();
  }

  tryWrite(message: Uint8Array | string, type?: number): boolean {
    return this.endpoint.tryWrite(message, type);
  }

  /** Writes that message until the ring refuses; returns how often it did not. */
  writeUntilFull(message: Uint8Array | string): number {
    let count = 0;
    while (this.endpoint.tryWrite(message)) count += 1;
    return count;
  }

  async write(message: Uint8Array | string, { type, key }: { type?: number; key?: string } = {}): Promise<void> {
    await this.endpoint.write(message, { type, signal: this.signal(key) });
  }

  /** Begins one write a text without awaiting any, then awaits them all. */
  async writeAllAtOnce(messages: readonly string[]): Promise<void> {
    await Promise.all(messages.map((message) => this.endpoint.write(message)));
  }

  waitSync(timeoutMs?: number, length?: number): boolean {
    return this.endpoint.waitSync(timeoutMs, length);
  }

  async wait({ length, key }: { length?: number; key?: string } = {}): Promise<void> {
    await this.endpoint.wait({ length, signal: this.signal(key) });
  }

  end(): void {
    this.endpoint.end();
  }

  /** Calls every method once and returns what each throws. */
  async everyMethod(): Promise<Record<string, PlainError | undefined>> {
    const { endpoint } = this;
    return outcomes({
      tryClaim: () => endpoint.tryClaim(1),
      commit: () => endpoint.commit(),
      abort: () => endpoint.abort(),
      tryWrite: () => endpoint.tryWrite('x'),
      write: () => endpoint.write('x'),
      waitSync: () => endpoint.waitSync(0),
      wait: () => endpoint.wait(),
      end: () => endpoint.end(),
      isPeerAlive: () => endpoint.isPeerAlive(),
    });
  }

  /** Writes messages 0 to count - 1 of a traffic in batches of random size, and ends the stream. */
  async stream({ traffic, count, blocking, maxBatch }: StreamPlan): Promise<void> {
    const { endpoint } = this;
    let batched = 0;
    for (let n = 0; n < count; n++) {
      const length = lengthOf(traffic, n);
      let offset = endpoint.tryClaim(length, typeOf(n));
      while (offset === FULL) {
        endpoint.commit();
        batched = 0;
        if (!blocking) await endpoint.wait({ length });
        else if (!endpoint.waitSync(20_000, length)) throw new Error(`no room for message ${n} within 20 s`);
        offset = endpoint.tryClaim(length, typeOf(n));
      }
      fill(endpoint.view.u8, offset, length, traffic, n);
      batched += 1;
      if (batched > (traffic.seed + n * 7) % maxBatch) {
        endpoint.commit();
        batched = 0;
      }
    }
    endpoint.end();
  }
}

export class ConsumerEnd extends End<Consumer> {
  protected take(ring: Ring, options: EndpointOptions): Consumer {
    return ring.consumer(options);
  }

  tryRead(): Received | null {
    return this.endpoint.tryRead();
  }

  /** Reads everything that is there, by poll, or at the most `limit`. */
  takeAll(limit: number = Number.POSITIVE_INFINITY): Received[] {
    const seen: Received[] = [];
    for (;;) {
      const polled = this.poll([], limit - seen.length);
      if (polled.error !== undefined) throw Object.assign(new Error(polled.error.message), polled.error);
      seen.push(...polled.seen);
      if (polled.count === 0 || seen.length === limit) return seen;
    }
  }

  /** Polls with a handler that follows the steps. */
  poll(steps: readonly Step[] = [], limit?: number): Polled {
    const { endpoint, ring } = this;
    const seen: Received[] = [];
    const backlogs: number[] = [];
    try {
      const count = endpoint.poll((view, offset, length, type) => {
        const step = steps[seen.length];
        seen.push({ data: Buffer.from(view.u8.subarray(offset, offset + length)), type });
        backlogs.push(ring.statistics().backlogBytes);
        if (step === 'throw') throw Object.assign(new Error('thrown by the handler'), { code: 'THROWN_BY_TEST' });
        if (step === 'close') return void endpoint.close();
        if (step === 'closeRing') return void ring.close();
        if (step === 'readOn') {
          for (let next = endpoint.tryRead(); next !== null; next = endpoint.tryRead()) seen.push(next);
          return;
        }
        return step;
      }, limit);
      return { count, seen, backlogs };
    } catch (error) {
      return { count: -1, seen, backlogs, error: plainError(error) };
    }
  }

  /** Polls once and returns what was written by claimThroughEveryView. */
  pollThroughEveryView(): readonly unknown[] {
    let found: readonly unknown[] = [];
    this.endpoint.poll((view, offset, length) => {
      found = [
        length,
        view.u8[offset],
        view.i32[(offset >> 2) + 1],
        view.f64[(offset >> 3) + 1],
        view.data.getBigUint64(offset + 16, true),
        view.buffer.toString('latin1', offset + 24, offset + 28),
        view.u8[offset + 39],
      ];
      return Action.BREAK;
    });
    return found;
  }

  waitSync(timeoutMs?: number): boolean {
    return this.endpoint.waitSync(timeoutMs);
  }

  async wait({ key }: { key?: string } = {}): Promise<void> {
    await this.endpoint.wait({ signal: this.signal(key) });
  }

  isEnded(): boolean {
    return this.endpoint.isEnded;
  }

  /** Iterates; leaves the loop, or closes the consumer, in the body of the message with that index. */
  async iterate({
    breakAt,
    closeAt,
    key,
  }: {
    breakAt?: number;
    closeAt?: number;
    key?: string;
  } = {}): Promise<Received[]> {
    const seen: Received[] = [];
    const messages = key === undefined ? this.endpoint : this.endpoint.messages({ signal: this.signal(key) });
    for await (const message of messages) {
      seen.push(message);
      if (seen.length - 1 === breakAt) break;
      if (seen.length - 1 === closeAt) this.endpoint.close();
    }
    return seen;
  }

  /** Calls every method once and returns what each throws. */
  async everyMethod(): Promise<Record<string, PlainError | undefined>> {
    const { endpoint } = this;
    return outcomes({
      poll: () => endpoint.poll(() => {}),
      tryRead: () => endpoint.tryRead(),
      waitSync: () => endpoint.waitSync(0),
      wait: () => endpoint.wait(),
      isEnded: () => endpoint.isEnded,
      messages: () => endpoint.messages().next(),
      asyncIterator: () => endpoint[Symbol.asyncIterator]().next(),
      isPeerAlive: () => endpoint.isPeerAlive(),
    });
  }

  /** Reads a stream to its end and checks every message; returns how many there were. */
  async verify({ traffic, blocking, maxBatch }: StreamPlan): Promise<number> {
    const { endpoint } = this;
    let n = 0;
    const handler = (view: { u8: Uint8Array }, offset: number, length: number, type: number): void => {
      const wrong = fault(view.u8, offset, length, type, traffic, n);
      if (wrong !== undefined) throw new Error(wrong);
      n += 1;
    };
    for (;;) {
      if (endpoint.poll(handler, 1 + (n % maxBatch)) > 0) continue;
      if (endpoint.isEnded) return n;
      if (!blocking) await endpoint.wait();
      else if (!endpoint.waitSync(20_000)) throw new Error(`nothing after message ${n - 1} within 20 s`);
    }
  }
}

async function outcomes(methods: Record<string, () => unknown>): Promise<Record<string, PlainError | undefined>> {
  const results: Record<string, PlainError | undefined> = {};
  for (const [name, method] of Object.entries(methods)) {
    try {
      await method();
      results[name] = undefined;
    } catch (error) {
      results[name] = plainError(error);
    }
  }
  return results;
}
