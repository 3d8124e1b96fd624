import { randomInt } from 'node:crypto';
import { memory, nextTurn, OPERATIONS_A_TURN, OrderedAttempts } from '@memlane/core';
import { MemlaneError } from '@memlane/linux';
import {
  type Consumer,
  FULL,
  type Handler,
  type Inspector,
  type Producer,
  type WorkProducer,
  type WorkVigil,
} from '@memlane/ring';
import type { Codec } from './codec.ts';
import { Kind, LARGE_BYTES, LargeMessages, type LargeRecord } from './large-messages.ts';
import { decodeError } from './remote-error.ts';
import type { Call } from './service-calls.ts';
import { REQUEST_PLACE } from './service-large.ts';
import type { ServiceContext } from './service-options.ts';
import {
  CANCELLED,
  CONTROL,
  REPLY,
  REQUEST,
  ReplyKind,
  type RequestName,
  readReply,
  readRequest,
  writeControl,
  writeRequest,
} from './service-protocol.ts';

/** How long one waits for the predecessor in a place, who may be dying: the kernel closes what it had one by one. */
const SUCCESSION_MS = 1000;

/** What a client has in the files of a service. */
interface Places {
  readonly requests: WorkProducer;
  readonly control: Producer;
  readonly replies: Consumer;
  readonly vigil: WorkVigil;
  readonly client: number;
  readonly tenant: number;
}

/** The asking side of a service, for one thread. */
export class ServiceClient<Request, Reply> {
  readonly #context: ServiceContext<Request, Reply>;
  readonly #calls = new Map<number, Call<Reply>>();
  readonly #sends = new OrderedAttempts();
  readonly #controls = new OrderedAttempts();
  readonly #scratch: Buffer;
  #places: Places | undefined;
  /** Not from 0: a reply to a predecessor of so long ago that it had the same tenancy is not to be taken for one's own. */
  #correlation = randomInt(2 ** 32 - 1) | 0;
  /** References in records that were read and not advanced over. */
  #passed: LargeRecord[] = [];
  /** What has ended the reading of replies, without which none would come. */
  #broken: { readonly error: unknown } | undefined;
  #closed = false;

  constructor(context: ServiceContext<Request, Reply>) {
    this.#context = context;
    this.#scratch = Buffer.allocUnsafeSlow(context.channels.requests.messageBytes);
  }

  /**
   * Sends a request; what comes of it is the call's. Returns its correlation.
   *
   * @param window 0 for one reply.
   * @throws ERR_MEMLANE_INVALID, what the codec throws, ERR_MEMLANE_MESSAGE_TOO_LONG, ERR_MEMLANE_BUSY, ERR_MEMLANE_CLOSED.
   */
  begin(call: Call<Reply>, value: Request, window: number, signal: AbortSignal | undefined): number {
    const places = this.#enter();
    const encoded = this.#encode(value);
    this.#correlation = (this.#correlation + 1) | 0;
    const correlation = this.#correlation;
    const head = { correlation, client: places.client, tenant: places.tenant, window };
    if (this.#calls.size === 0) places.replies.ref();
    this.#calls.set(correlation, call);
    places.vigil.keep();
    let [bytes, isSent] = [encoded, false];
    const sending = this.#sends.make(
      () => {
        // One that was cancelled while it waited is not to be sent.
        isSent = !this.#calls.has(correlation) || this.#tryWrite(places.requests, head, bytes);
        return isSent;
      },
      (until) => this.#waitForRoom(places.requests, bytes.length, until),
      signal,
    );
    // It was tried at once, if nobody waited before it; what has to wait is not to be overwritten by the next.
    if (!isSent) bytes = Buffer.from(encoded);
    sending.catch((error: unknown) => {
      this.#end(correlation)?.fail(error);
      this.#rest();
    });
    return correlation;
  }

  /** Forgets a request; the server is told, if one has it. Returns whether it was still awaited. */
  cancel(correlation: number): boolean {
    if (this.#end(correlation) === undefined) return false;
    this.#rest();
    if (this.#places === undefined || this.#places.control.closed) return true;
    const { client, tenant, requests } = this.#places;
    const isIt = (head: RequestName): boolean =>
      head.correlation === correlation && head.client === client && head.tenant === tenant;
    if (this.#withdraw(requests, isIt) === 0) this.#tell(correlation, CANCELLED);
    return true;
  }

  /** Lets the server go on with a stream. */
  grant(correlation: number, granted: number): void {
    if (this.#calls.has(correlation)) this.#tell(correlation, granted);
  }

  /** Fails what waits, and leaves. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const error = new MemlaneError('ERR_MEMLANE_CLOSED', 'The service was closed', { path: this.#context.path });
    for (const [correlation, call] of [...this.#calls]) {
      this.#abandon(correlation);
      call.fail(error);
    }
    this.#calls.clear();
    this.#places?.vigil.close();
    // The tenancy first: who looks at the others then finds them without an owner.
    for (const part of ['control', 'replies', 'requests'] as const) this.#places?.[part].close();
  }

  /** Takes the requests back that nobody will be there to get replies to. */
  #abandon(correlation: number): void {
    try {
      this.cancel(correlation);
    } catch {
      // The files are not what they were; whoever takes the request finds nobody who asks.
    }
  }

  #enter(): Places {
    if (this.#closed)
      throw new MemlaneError('ERR_MEMLANE_CLOSED', 'The service is closed', { path: this.#context.path });
    if (this.#broken !== undefined) throw this.#broken.error;
    if (this.#places !== undefined) return this.#places;
    const { channels } = this.#context;
    const opened: Disposable[] = [];
    try {
      const requests = channels.requests.producer();
      opened.push(requests);
      const control = channels.control.producer().unref();
      opened.push(control);
      const client = control.place.lane;
      const replies = this.#succeed(client).unref();
      opened.push(replies);
      const tenant = channels.control.tenantOf(client);
      if (tenant === undefined) throw new MemlaneError('ERR_MEMLANE_DELETED', 'The service was removed');
      const vigil = requests.vigil((failure) => this.#look(failure));
      this.#places = { requests, control, replies, client, tenant, vigil };
    } catch (error) {
      for (const part of opened) part[Symbol.dispose]();
      throw error;
    }
    void this.#pump(this.#places.replies);
    return this.#places;
  }

  /** Takes the consumer's place of a reply ring, whose last owner has left its lane of `control` already. */
  #succeed(client: number): Consumer {
    const deadline = performance.now() + SUCCESSION_MS;
    for (;;)
      try {
        return this.#context.channels.replies(client).consumer();
      } catch (error) {
        if ((error as MemlaneError).code !== 'ERR_MEMLANE_BUSY' || performance.now() > deadline) throw error;
        memory.sleepSync(1);
      }
  }

  /** Forgets a call that is over. */
  #end(correlation: number): Call<Reply> | undefined {
    const call = this.#calls.get(correlation);
    this.#calls.delete(correlation);
    return call;
  }

  /** Late replies are read all the same, and so keep no memory; but the wait for them keeps no process alive. */
  #rest(): void {
    if (this.#calls.size === 0 && !this.#closed) this.#places?.replies.unref();
  }

  /** Reads replies for as long as the place is there. */
  async #pump(replies: Consumer): Promise<void> {
    try {
      for (let count = 0; ; ) {
        const read = replies.poll(this.#dispatch, OPERATIONS_A_TURN);
        for (const record of this.#passed.splice(0)) this.#context.large.settle(record);
        count += read;
        if (count >= OPERATIONS_A_TURN) {
          count = 0;
          await nextTurn();
        }
        // Usually the next request follows at once: to rest in between would cost a millisecond, in a timer that keeps nothing alive.
        if (this.#calls.size === 0) await nextTurn();
        if (this.#closed) return;
        this.#rest();
        await replies.wait();
      }
    } catch (error) {
      this.#broken ??= { error };
      this.#failAll(error);
    }
  }

  /** Never throws: the record would come again. */
  readonly #dispatch: Handler = (view, offset, length, type) => {
    const head = readReply(view.data, offset, length);
    if (head === undefined) return;
    const { correlation, kind, delivery } = head;
    const [begin, end] = [offset + REPLY.bytes, offset + length];
    let call: Call<Reply> | undefined;
    try {
      const record = type === Kind.large ? LargeMessages.read(view.data, begin, end - begin) : undefined;
      if (record !== undefined) this.#passed.push(record);
      if (head.tenant !== this.#places?.tenant) return; // a predecessor's
      call = this.#calls.get(correlation);
      if (call === undefined) {
        // Cancelled, or answered already. A server that got it after the death of another has not heard of that.
        if (kind === ReplyKind.item && delivery > 1) this.#tell(correlation, CANCELLED);
        return;
      }
      const { large, codec, readReply: read } = this.#context;
      const decoded = <Value>(decoder: Pick<Codec<Value>, 'decode'>): Value =>
        record === undefined ? decoder.decode(view.buffer, begin, end) : large.decode(record, decoder);
      const message = {
        kind,
        delivery,
        value: () => read(decoded(codec)),
        error: () => decoded(ERROR_DECODER),
      };
      if (call.receive(message)) this.#end(correlation);
    } catch (error) {
      if (call === undefined) return;
      // The server may have more of it.
      if (kind === ReplyKind.item) this.cancel(correlation);
      else this.#end(correlation);
      call.fail(error);
    }
  };

  /** Takes what nobody will reply to out of the queue; returns whether anything is awaited. */
  #look(failure: unknown): boolean {
    if (this.#closed || this.#places === undefined) return false;
    if (failure !== undefined) {
      this.#failAll(failure);
      return false;
    }
    const { client, tenant, requests } = this.#places;
    try {
      this.#withdraw(requests, (head, isDead) => {
        if (head.client === client && head.tenant === tenant) return isDead || !this.#calls.has(head.correlation);
        return isDead && !this.#context.channels.isThere(head);
      });
    } catch (error) {
      this.#failAll(error);
    }
    this.#rest();
    return this.#calls.size > 0;
  }

  /** Takes requests out that no server has, and fails those who wait for them; returns how many. */
  #withdraw(requests: WorkProducer, isWanted: (head: RequestName, isDead: boolean) => boolean): number {
    const over: LargeRecord[] = [];
    const wanted: Inspector<boolean> = (view, offset, length, _type, isDead) => {
      const head = readRequest(view.data, offset, length);
      return head !== undefined && isWanted(head, isDead);
    };
    const count = requests.withdraw(wanted, (view, offset, length, type) => {
      const at = offset + REQUEST.bytes;
      if (type === Kind.large) over.push(LargeMessages.read(view.data, at, length - REQUEST.bytes));
      const head = readRequest(view.data, offset, length) as RequestName;
      if (head.client !== this.#places?.client || head.tenant !== this.#places.tenant) return;
      const { path } = this.#context;
      this.#end(head.correlation)?.fail(
        new MemlaneError('ERR_MEMLANE_PEER_DIED', 'The server died with the request', { path }),
      );
    });
    for (const record of over) this.#context.large.settle(record);
    return count;
  }

  #failAll(error: unknown): void {
    if (this.#closed) return;
    for (const correlation of [...this.#calls.keys()]) this.#end(correlation)?.fail(error);
    this.#rest();
  }

  /** The bytes of a value, in memory that is used again for the next. */
  #encode(value: Request): Uint8Array {
    const encoded = this.#context.codec.encode(this.#context.writeRequest(value) as Request & Reply, this.#scratch);
    return typeof encoded === 'number' ? this.#scratch.subarray(0, encoded) : encoded;
  }

  #tryWrite(requests: WorkProducer, head: Parameters<typeof writeRequest>[2], bytes: Uint8Array): boolean {
    const { large } = this.#context;
    const { data, u8 } = requests.view;
    if (REQUEST.bytes + bytes.length <= requests.maxMessageBytes) {
      const offset = requests.tryClaim(REQUEST.bytes + bytes.length, Kind.inline);
      if (offset === FULL) return false;
      u8.set(bytes, writeRequest(data, offset, head));
      requests.commit();
      return true;
    }
    this.#context.expectFitting(bytes);
    using buffer = large.tryPut(bytes);
    if (buffer === null) return false;
    const offset = requests.tryClaim(REQUEST.bytes + LARGE_BYTES, Kind.large);
    if (offset === FULL) return false;
    large.consign(buffer, data, writeRequest(data, offset, head), REQUEST_PLACE);
    requests.commit();
    return true;
  }

  async #waitForRoom(requests: WorkProducer, length: number, signal: AbortSignal | undefined): Promise<void> {
    if (REQUEST.bytes + length > requests.maxMessageBytes) await this.#context.large.waitForRoom(length, signal);
    await requests.wait({ signal });
  }

  /** Says something about a request to whichever server has it. */
  #tell(correlation: number, granted: number): void {
    if (this.#places === undefined) return;
    const { control, client, tenant } = this.#places;
    const telling = this.#controls.make(
      () => {
        const offset = control.tryClaim(CONTROL.bytes);
        if (offset === FULL) return false;
        writeControl(control.view.data, offset, { correlation, client, tenant }, granted);
        control.commit();
        return true;
      },
      (signal) => control.wait({ signal, length: CONTROL.bytes }),
      undefined,
    );
    telling.catch((error: unknown) => this.#failAll(error));
  }
}

const ERROR_DECODER = {
  decode: (source: Buffer, start: number, end: number) => decodeError(source.subarray(start, end)),
};
