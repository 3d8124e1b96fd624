import { nextTurn, OrderedAttempts } from '@memlane/core';
import { MemlaneError } from '@memlane/linux';
import { type Consumer, type Delivery, FULL, type Handler, type Producer, type WorkConsumer } from '@memlane/ring';
import { Kind, LARGE_BYTES, LargeMessages, type LargeRecord } from './large-messages.ts';
import { encodeError } from './remote-error.ts';
import { replyPlace } from './service-large.ts';
import type { ServiceContext } from './service-options.ts';
import {
  CANCELLED,
  REPLY,
  REQUEST,
  ReplyKind,
  type RequestHead,
  readControl,
  readRequest,
  writeReply,
} from './service-protocol.ts';
import { RunningRequest } from './service-request.ts';

/** What a handler is told beside the value. */
export interface RequestContext {
  /** Aborts when the client cancels, or dies, or this service is closed. What the handler returns after that is nobody's. */
  readonly signal: AbortSignal;
  /** How many times the request has been delivered, this time included: more than once after the death of a server. */
  readonly deliveries: number;
}

/** Replies to a request: with a value, or, to who wants a stream, with what an async iterable or a generator yields. */
export type ServiceHandler<Request, Reply> = (
  value: Request,
  context: RequestContext,
) => Reply | Promise<Reply> | AsyncIterable<Reply> | Iterator<Reply>;

/** How requests are served. */
export interface ServeOptions {
  /** Requests that are handled at the same time. Default 1. */
  readonly concurrency?: number;
  /** Ends it after the requests that are being handled. */
  readonly signal?: AbortSignal;
}

/** Takes after which the event loop has its turn, should there be requests all the time. */
const TAKES_A_TURN = 64;
/** A longer reply goes through the slab: one that filled the ring would have the next wait for it. */
const INLINE_SHIFT = 3;

/** The way to one client. */
interface Outlet {
  readonly producer: Producer;
  readonly sends: OrderedAttempts;
}

/** One that serves, with places of its own. */
export class ServiceServer<Request, Reply> {
  readonly #context: ServiceContext<Request, Reply>;
  readonly #handler: ServiceHandler<Request, Reply>;
  readonly #concurrency: number;
  readonly #control: Consumer;
  readonly #requests: WorkConsumer;
  readonly #outlets = new Map<number, Outlet>();
  readonly #running = new Map<string, RunningRequest>();
  readonly #stopping = new AbortController();
  readonly #scratch: Buffer;
  #underWay = 0;
  #changed: (() => void) | undefined;
  #failure: { readonly error: unknown } | undefined;
  #closed = false;

  /** @throws ERR_MEMLANE_BUSY when all servers' places are taken. */
  constructor(context: ServiceContext<Request, Reply>, handler: ServiceHandler<Request, Reply>, concurrency: number) {
    const { channels, large } = context;
    this.#context = context;
    this.#handler = handler;
    this.#concurrency = concurrency;
    this.#scratch = Buffer.allocUnsafeSlow(channels.replies(0).capacityBytes >> INLINE_SHIFT);
    // First: what is said about a request after it was taken is heard.
    this.#control = channels.control.consumer();
    try {
      this.#requests = channels.requests.consumer();
    } catch (error) {
      this.#control.close();
      throw error;
    }
    large.tidy(); // the one before may have died beside something that was done with
  }

  /** Serves until the signal, or close(). @throws (rejects) what the files throw. */
  async run(signal: AbortSignal | undefined): Promise<void> {
    const stop = (): void => this.#stopping.abort();
    signal?.addEventListener('abort', stop, { once: true });
    if (signal?.aborted === true) stop();
    void this.#listen();
    try {
      for (let count = 1; !this.#stopping.signal.aborted; count++) {
        // Not take(): a cancellation could be read between its end and the next line, and would be for nothing.
        const delivery = this.#requests.tryTake();
        if (delivery === null) {
          await this.#requests.wait({ signal: this.#stopping.signal });
          continue;
        }
        this.#begin(delivery);
        while (!this.#closed && this.#underWay >= this.#concurrency) await this.#change();
        if (count % TAKES_A_TURN === 0) await nextTurn();
      }
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#failure ??= { error };
    } finally {
      signal?.removeEventListener('abort', stop);
      while (!this.#closed && this.#underWay > 0) await this.#change();
      this.close();
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Leaves at once: what is under way is given back. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopping.abort();
    for (const request of this.#running.values()) request.abort(abortionOf('The service was closed'));
    this.#requests.close();
    this.#control.close();
    for (const { producer } of this.#outlets.values()) producer.close();
    this.#changed?.();
  }

  /** Resolves when a request is done with, or at the end. */
  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#changed = resolve;
    });
  }

  #fail(error: unknown): void {
    if (this.#closed) return;
    this.#failure ??= { error };
    this.#stopping.abort();
  }

  /** Hears what clients say of their requests, and of their deaths. */
  async #listen(): Promise<void> {
    try {
      for (;;) {
        this.#control.poll(this.#hear);
        if (this.#abortLost()) this.#context.large.tidy();
        await this.#control.wait({ until: this.#hasLost });
        if (this.#closed) return;
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  readonly #hear: Handler = (view, offset, length) => {
    const said = readControl(view.data, offset, length);
    if (said === undefined) return;
    const request = this.#running.get(keyOf(said));
    if (said.granted === CANCELLED) request?.abort(abortionOf('The client has cancelled'));
    else request?.grant(said.granted);
  };

  readonly #hasLost = (): boolean => {
    let asked: RequestHead | undefined;
    for (const { head, signal } of this.#running.values()) {
      // A system call for each client, not for each request.
      if (signal.aborted || (head.client === asked?.client && head.tenant === asked.tenant)) continue;
      asked = head;
      if (!this.#context.channels.isThere(head)) return true;
    }
    return false;
  };

  /** Aborts what is done for clients that are gone; returns whether there was any. */
  #abortLost(): boolean {
    let any = false;
    for (const request of this.#running.values()) {
      if (request.signal.aborted || this.#context.channels.isThere(request.head)) continue;
      request.abort(abortionOf('The client is gone'));
      any = true;
    }
    return any;
  }

  #begin(delivery: Delivery): void {
    const { view, offset, length, type, deliveries } = delivery;
    const head = readRequest(view.data, offset, length);
    const at = offset + REQUEST.bytes;
    const rest = length - REQUEST.bytes;
    const record = head !== undefined && type === Kind.large ? LargeMessages.read(view.data, at, rest) : undefined;
    // One that nobody has sent, or for the reply to which nobody waits any more.
    if (head === undefined || !this.#context.channels.isThere(head)) {
      this.#acknowledge(delivery, record);
      return;
    }
    const request = new RunningRequest(head, deliveries);
    const key = keyOf(head);
    this.#running.set(key, request);
    this.#underWay += 1;
    void this.#handle(request, delivery, record)
      .then(
        () => this.#acknowledge(delivery, record),
        (error: unknown) => this.#fail(error),
      )
      .finally(() => {
        this.#underWay -= 1;
        if (this.#running.get(key) === request) this.#running.delete(key);
        this.#changed?.();
      });
  }

  #acknowledge(delivery: Delivery, record: LargeRecord | undefined): void {
    if (this.#closed) return; // given back by that
    try {
      delivery.ack();
      if (record !== undefined) this.#context.large.settle(record);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Handles a request and replies to it. @throws what keeps replies from being written: then the request is not done with. */
  async #handle(request: RunningRequest, delivery: Delivery, record: LargeRecord | undefined): Promise<void> {
    try {
      const value = this.#read(delivery, record);
      const { signal, deliveries } = request;
      const result = await this.#handler(value, { signal, deliveries });
      if (signal.aborted) await leave(result);
      else if (request.head.window > 0) await this.#stream(request, result);
      else if (isStream(result)) {
        await leave(result);
        throw new MemlaneError('ERR_MEMLANE_ARGUMENT', 'The handler replies with a stream: ask for it with stream()');
      } else await this.#reply(request, ReplyKind.value, this.#encode(result as Reply));
    } catch (error) {
      if (request.signal.aborted || this.#closed) return;
      if (error instanceof Undeliverable) throw error.cause;
      await this.#reply(request, ReplyKind.error, encodeError(error)).catch((undeliverable: Undeliverable) => {
        if (!request.signal.aborted) throw undeliverable.cause;
      });
    }
  }

  async #stream(request: RunningRequest, result: unknown): Promise<void> {
    if (isStream(result))
      for await (const item of iterableOf<Reply>(result)) {
        await request.mayGoOn();
        await this.#reply(request, ReplyKind.item, this.#encode(item));
      }
    else await this.#reply(request, ReplyKind.item, this.#encode(result as Reply));
    await this.#reply(request, ReplyKind.end, NOTHING);
  }

  #read(delivery: Delivery, record: LargeRecord | undefined): Request {
    const { codec, large, readRequest: read } = this.#context;
    const { view, offset, length } = delivery;
    if (record !== undefined) return read(large.decode(record, codec));
    return read(codec.decode(view.buffer, offset + REQUEST.bytes, offset + length));
  }

  /** The bytes of a reply, in memory that is used again for the next. */
  #encode(value: Reply): Uint8Array {
    const { codec, writeReply: write, expectFitting } = this.#context;
    const encoded = codec.encode(write(value) as Request & Reply, this.#scratch);
    if (typeof encoded === 'number') return this.#scratch.subarray(0, encoded);
    expectFitting(encoded);
    return encoded;
  }

  /** Writes a reply, in the order in which they were begun. @throws (rejects) {@link Undeliverable}; the reason of an abort */
  async #reply(request: RunningRequest, kind: number, bytes: Uint8Array): Promise<void> {
    try {
      const { producer, sends } = this.#outlet(request.head.client);
      let [own, isSent] = [bytes, false];
      const sending = sends.make(
        () => {
          isSent = request.signal.aborted || this.#tryWrite(producer, request, kind, own);
          return isSent;
        },
        (signal) => this.#waitForRoom(producer, own.length, signal),
        request.signal,
      );
      if (!isSent) own = Buffer.from(bytes);
      await sending;
    } catch (error) {
      throw new Undeliverable('', { cause: error });
    }
  }

  #tryWrite(
    producer: Producer,
    { head, deliveries: delivery }: RunningRequest,
    kind: number,
    bytes: Uint8Array,
  ): boolean {
    const { large } = this.#context;
    const reply = { correlation: head.correlation, tenant: head.tenant, delivery, kind };
    if (bytes.length <= this.#inlineBytes) {
      const offset = producer.tryClaim(REPLY.bytes + bytes.length, Kind.inline);
      if (offset === FULL) return false;
      producer.view.u8.set(bytes, writeReply(producer.view.data, offset, reply));
      producer.commit();
      return true;
    }
    using buffer = large.tryPut(bytes);
    if (buffer === null) return false;
    const offset = producer.tryClaim(REPLY.bytes + LARGE_BYTES, Kind.large);
    if (offset === FULL) return false;
    const { data } = producer.view;
    large.consign(buffer, data, writeReply(data, offset, reply), replyPlace(head.client, producer.place));
    producer.commit();
    return true;
  }

  async #waitForRoom(producer: Producer, length: number, signal: AbortSignal | undefined): Promise<void> {
    const isLarge = length > this.#inlineBytes;
    if (isLarge) await this.#context.large.waitForRoom(length, signal);
    await producer.wait({ signal, length: REPLY.bytes + (isLarge ? LARGE_BYTES : length) });
  }

  get #inlineBytes(): number {
    return this.#scratch.length;
  }

  #outlet(client: number): Outlet {
    let outlet = this.#outlets.get(client);
    if (outlet === undefined) {
      outlet = { producer: this.#context.channels.replies(client).producer(), sends: new OrderedAttempts() };
      this.#outlets.set(client, outlet);
    }
    return outlet;
  }
}

/** As those of an AbortController are, which handlers pass on to others. */
function abortionOf(message: string): DOMException {
  return new DOMException(message, 'AbortError');
}

const NOTHING = new Uint8Array();

/** Says that it is not the handler that has failed. */
class Undeliverable extends Error {}

function keyOf({ client, tenant, correlation }: Pick<RequestHead, 'client' | 'tenant' | 'correlation'>): string {
  return `${client} ${tenant} ${correlation}`;
}

type Streamed<Item> = AsyncIterable<Item> | Iterator<Item>;

/** Whether what a handler returns is a stream: an array, for one, is a value. */
function isStream(result: unknown): result is Streamed<unknown> {
  if (typeof result !== 'object' || result === null) return false;
  return Symbol.asyncIterator in result || (Symbol.iterator in result && 'next' in result);
}

function iterableOf<Item>(result: Streamed<unknown>): AsyncIterable<Item> | Iterable<Item> {
  return result as AsyncIterable<Item> | Iterable<Item>;
}

/** Ends a stream that nobody reads. */
async function leave(result: unknown): Promise<void> {
  if (!isStream(result)) return;
  const iterator = Symbol.asyncIterator in result ? result[Symbol.asyncIterator]() : result;
  await iterator.return?.();
}
