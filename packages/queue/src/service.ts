import { checkInteger, checkOptions, checkSignal, checkType, MemlaneError, throwArgument } from '@memlane/linux';
import type { WorkQueueStatistics } from '@memlane/ring';
import type { SlabStatistics } from '@memlane/slab';
import { LARGE_BYTES } from './large-messages.ts';
import { checkMessageOptions } from './queue-options.ts';
import { type Parts, PartsFactory } from './queue-parts.ts';
import { SingleCall, StreamCall } from './service-calls.ts';
import {
  channelsCarrier,
  type ServiceChannels,
  type ServiceChannelsDescriptor,
  type ServicePlan,
} from './service-channels.ts';
import { ServiceClient } from './service-client.ts';
import {
  contextOf,
  replyOptionsOf,
  requestOptionsOf,
  type ServiceContext,
  type ServiceOptions,
} from './service-options.ts';
import { REQUEST } from './service-protocol.ts';
import { type ServeOptions, type ServiceHandler, ServiceServer } from './service-server.ts';
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
} from './store-kind.ts';

/** What the creator of a service decides of its size. */
export interface ServiceShape {
  /** Requests that may be under way at a time, of all clients together; a power of two. Default 1024. */
  readonly capacity?: number;
  /** Longest request that takes no space of `maxLargeBytes`. Default 1008. */
  readonly requestBytes?: number;
  /**
   * Memory for the replies of each server to each client, reserved when the one replies to the other for the first time; a power of
   * two, at least 4 KiB. A reply that is longer than an eighth of it takes space of `maxLargeBytes`. Default 64 KiB.
   */
  readonly replyCapacityBytes?: number;
  /** How many may ask at a time, 1 to 120. Default 16. */
  readonly clients?: number;
  /** How many may serve at a time, 1 to 120. Default 16. */
  readonly servers?: number;
  /** How many times a request is delivered again whose server has died; Infinity for no limit. Default 2. */
  readonly retries?: number;
  /** Space for requests and replies that are longer; reserved when it is used. Default 1 GiB. */
  readonly maxLargeBytes?: number;
}

/** How a service is created. */
export interface CreateServiceOptions<Request, Reply> extends ServiceShape, ServiceOptions<Request, Reply> {
  /** Permissions of its files. Default 0600: whoever may open them may read, write and pretend. */
  readonly mode?: number;
}

/** What another thread or process needs to open a service. Plain data: survives postMessage, JSON and fork. */
export type ServiceDescriptor = StoreDescriptor<ServiceChannelsDescriptor>;

/** What a request may be told. */
export interface RequestOptions {
  /** Cancels it: the promise rejects with the signal's reason, and the server is told. */
  readonly signal?: AbortSignal;
  /** After so many milliseconds it is cancelled with a DOMException TimeoutError, as AbortSignal.timeout() gives it. Default: never. */
  readonly timeoutMs?: number;
}

/** What a request for a stream may be told. */
export interface StreamOptions extends RequestOptions {
  /** Items that may be under way and unread, after which the server waits. Default 16. */
  readonly highWaterMark?: number;
}

/** A service as it stands. */
export interface ServiceStatistics {
  readonly requests: WorkQueueStatistics;
  /** Of the requests and replies that are too long for the service's own memory. */
  readonly large: SlabStatistics;
}

const KIND: StoreKind<ServicePlan, ServiceChannels, ServiceChannelsDescriptor> = {
  pattern: 'service',
  parts: new PartsFactory(channelsCarrier),
};

/**
 * Creates a service, which some ask and others serve.
 *
 * @param name a path, or a bare name, which lives in this user's folder on /dev/shm.
 * @throws ERR_MEMLANE_EXISTS; ERR_MEMLANE_ARGUMENT; LinuxError ENOSPC, EACCES, EROFS.
 * @example
 * using squares = createService<number, number>('squares');
 * await squares.serve((value) => value * value); // in another process: await squares.request(12)
 */
export function createService<Request, Reply>(
  name: string,
  options: CreateServiceOptions<Request, Reply> = {},
): Service<Request, Reply> {
  createOf(KIND, name, checked(options), planOf(options));
  return openService(name, options);
}

/** Opens a service that is there. @throws as {@link openQueue} */
export function openService<Request, Reply>(
  name: string,
  options: ServiceOptions<Request, Reply> = {},
): Service<Request, Reply> {
  const { parts, path } = openOf(KIND, name, checked(options));
  return new Service(parts, options, path);
}

/** Opens it, or creates it where there is none. @throws as {@link createService} and {@link openService} */
export function openOrCreateService<Request, Reply>(
  name: string,
  options: CreateServiceOptions<Request, Reply> = {},
): Service<Request, Reply> {
  return openOrCreate(
    () => openService(name, options),
    () => createOf(KIND, name, checked(options), planOf(options)),
  );
}

/** Creates a service without a name, in memory that nobody can cut. It lives for as long as somebody has it open. */
export function createAnonymousService<Request, Reply>(
  options: CreateServiceOptions<Request, Reply> = {},
): Service<Request, Reply> {
  return new Service(createAnonymousOf(KIND, checked(options), planOf(options)), options, undefined);
}

/** Opens the service that a descriptor names. @throws ERR_MEMLANE_DELETED; as {@link openService} */
export function attachService<Request, Reply>(
  descriptor: ServiceDescriptor,
  options: ServiceOptions<Request, Reply> = {},
): Service<Request, Reply> {
  return new Service(attachOf(KIND, descriptor, checked(options)), options, undefined);
}

/** Deletes a service that nobody is attached to. @throws ERR_MEMLANE_BUSY while somebody alive is; LinuxError ENOENT */
export function removeService(name: string): void {
  removeOf(KIND, name);
}

/** The options that concern the requests. @throws ERR_MEMLANE_ARGUMENT */
function checked<Request, Reply>(
  options: ServiceOptions<Request, Reply>,
): ReturnType<typeof requestOptionsOf<Request, Reply>> {
  checkMessageOptions(replyOptionsOf(checkOptions('options', options)));
  return requestOptionsOf(options);
}

const DEFAULT_PLACES = 16;
const MOST_PLACES = 120;
const DEFAULT_REQUEST_BYTES = 1008;
const DEFAULT_REPLY_CAPACITY_BYTES = 65_536;
const DEFAULT_RETRIES = 2;
const CONTROL_CAPACITY_BYTES = 16_384;
const DEFAULT_WINDOW = 16;
const MOST_WINDOW: number = 2 ** 20;
/** The longest that setTimeout() can. */
const MOST_TIMEOUT_MS: number = 2 ** 31 - 1;

/** The files that the options ask for. */
function planOf<Request, Reply>(options: CreateServiceOptions<Request, Reply>): StorePlan<ServicePlan> {
  const {
    capacity,
    requestBytes = DEFAULT_REQUEST_BYTES,
    replyCapacityBytes = DEFAULT_REPLY_CAPACITY_BYTES,
    clients = DEFAULT_PLACES,
    servers = DEFAULT_PLACES,
    retries = DEFAULT_RETRIES,
    maxLargeBytes,
    mode,
  } = checkOptions('options', options);
  checkInteger('clients', clients, 1, MOST_PLACES);
  checkInteger('servers', servers, 1, MOST_PLACES);
  checkInteger('requestBytes', requestBytes, 0, 2 ** 30);
  if (retries !== Number.POSITIVE_INFINITY) checkInteger('retries', retries, 0, 2 ** 30);
  // Twice as many lanes and cursors as servers: of one that dies, the places in these files may be free later than in the other.
  const both = { topology: 'bus', overwrite: false } as const;
  const messages = {
    requests: {
      capacity,
      messageBytes: REQUEST.bytes + Math.max(requestBytes, LARGE_BYTES),
      producers: clients,
      consumers: servers,
      maxDeliveries: retries + 1,
    },
    control: { ...both, producers: clients, consumers: 2 * servers, capacityBytes: CONTROL_CAPACITY_BYTES },
    replies: { ...both, producers: 2 * servers, consumers: 1, capacityBytes: replyCapacityBytes },
    clients,
  };
  return { shape: { messages, maxLargeBytes, endpoints: clients + servers }, mode };
}

/**
 * A service, opened by one thread, which may ask, serve, or both. The first request takes a client's place, each serve() a server's.
 *
 * A request is answered once, by one server. When that dies first, another gets it, so a handler may run more than once for a
 * request: `retries: 0` where it must not. While nobody serves, requests wait, as long as their timeout or signal allows.
 *
 * @example
 * const answer = await service.request({ city: 'Jena' }, { timeoutMs: 1000 });
 */
export class Service<Request, Reply> implements Disposable {
  /** Where it is; undefined for an anonymous one. */
  readonly path: string | undefined;
  readonly #parts: Parts<ServiceChannels>;
  readonly #options: ServiceOptions<Request, Reply>;
  readonly #context: ServiceContext<Request, Reply>;
  readonly #client: ServiceClient<Request, Reply>;
  readonly #servers = new Set<ServiceServer<Request, Reply>>();
  #closed = false;

  /** Services come from {@link createService} and its siblings. */
  constructor(parts: Parts<ServiceChannels>, options: ServiceOptions<Request, Reply>, path: string | undefined) {
    this.path = path;
    this.#parts = parts;
    this.#options = options;
    this.#context = contextOf(parts, options, path);
    this.#client = new ServiceClient(this.#context);
  }

  /**
   * Asks, and resolves to the reply. Any number of requests may be under way; replies come in any order.
   *
   * @throws (rejects) the signal's reason; DOMException TimeoutError; ERR_MEMLANE_REMOTE when the handler has failed, with what it has
   *   thrown as `cause`; ERR_MEMLANE_PEER_DIED when too many servers have died with it; ERR_MEMLANE_INVALID when the schema refuses
   *   request or reply; ERR_MEMLANE_MESSAGE_TOO_LONG; what the codec throws; ERR_MEMLANE_BUSY when all clients' places are
   *   taken; ERR_MEMLANE_CLOSED; LinuxError ENOSPC.
   */
  async request(value: Request, options: RequestOptions = {}): Promise<Reply> {
    using limit = new Limit(options);
    const { signal } = limit;
    return await new Promise<Reply>((resolve, reject) => {
      const correlation = this.#client.begin(new SingleCall(resolve, reject), value, 0, signal);
      limit.onAbort((reason) => {
        if (this.#client.cancel(correlation)) reject(reason);
      });
    });
  }

  /**
   * Asks for a stream: yields what the handler does, or its one reply. The request is sent when the first item is asked for, and
   * cancelled when the loop is left. The server waits while `highWaterMark` items are unread.
   *
   * When its server dies the stream begins anew at another, unless an item has come: then it fails with ERR_MEMLANE_PEER_DIED.
   *
   * @throws ERR_MEMLANE_ARGUMENT; (rejects) as {@link request}.
   */
  stream(value: Request, options: StreamOptions = {}): AsyncGenerator<Reply, undefined> {
    const { highWaterMark = DEFAULT_WINDOW } = checkOptions('options', options);
    checkInteger('highWaterMark', highWaterMark, 1, MOST_WINDOW);
    checkLimit(options);
    return this.#stream(value, options, highWaterMark);
  }

  async *#stream(value: Request, options: RequestOptions, window: number): AsyncGenerator<Reply, undefined> {
    using limit = new Limit(options);
    const call: StreamCall<Reply> = new StreamCall(window, (granted) => this.#client.grant(correlation, granted));
    const correlation = this.#client.begin(call, value, window, limit.signal);
    limit.onAbort((reason) => {
      this.#client.cancel(correlation);
      call.cut(reason);
    });
    try {
      for (;;) {
        const items = await call.next();
        if (items.length === 0) return;
        yield items[0];
      }
    } finally {
      this.#client.cancel(correlation);
    }
  }

  /**
   * Handles requests until the signal aborts and those under way are answered, or close(); then it resolves. What the handler throws
   * is its client's: it rejects the request, and does not end this.
   *
   * @throws (rejects) ERR_MEMLANE_ARGUMENT; ERR_MEMLANE_BUSY when all servers' places are taken; ERR_MEMLANE_CLOSED; LinuxError ENOSPC;
   *   ERR_MEMLANE_TRUNCATED and the like.
   * @example
   * await service.serve(({ city }, { signal }) => forecast(city, signal), { concurrency: 8, signal: leaving });
   */
  async serve(handler: ServiceHandler<Request, Reply>, options: ServeOptions = {}): Promise<void> {
    checkType('handler', handler, 'function');
    const { concurrency = 1, signal } = checkOptions('options', options);
    checkInteger('concurrency', concurrency, 1, 2 ** 20);
    checkSignal(signal);
    this.#expectOpen();
    const server = new ServiceServer(this.#context, handler, concurrency);
    this.#servers.add(server);
    try {
      await server.run(signal);
    } finally {
      this.#servers.delete(server);
    }
  }

  /**
   * Gives back the memory of long messages that are done with, which those have left who died just then. Whoever finds no room for
   * one does so, too, and a server when a client of its dies. Returns how many it was.
   */
  tidy(): number {
    this.#expectOpen();
    return this.#context.large.tidy();
  }

  /** What is in it, and what has been done. Disturbs nobody. */
  statistics(): ServiceStatistics {
    this.#expectOpen();
    const { messages, large } = this.#parts;
    return { requests: messages.requests.statistics(), large: large.statistics() };
  }

  /** What another thread or process needs for {@link attachService}. An anonymous one must stay open until it has it. */
  descriptor(): ServiceDescriptor {
    this.#expectOpen();
    const { messages, large, structures } = this.#parts;
    return describe('service', requestOptionsOf(this.#options), {
      messages: messages.descriptor(),
      large: large.descriptor(),
      structures: structures?.descriptor(),
    });
  }

  /** Leaves: requests made here are cancelled, and fail; what is being handled here is given back, for others. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#client.close();
    for (const server of this.#servers) server.close();
    const { messages, structures } = this.#parts;
    messages.close();
    structures?.close();
    this.#context.large.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #expectOpen(): void {
    if (this.#closed) throw new MemlaneError('ERR_MEMLANE_CLOSED', 'The service is closed', { path: this.path });
  }
}

/** @throws ERR_MEMLANE_ARGUMENT */
function checkLimit({ signal, timeoutMs }: RequestOptions): void {
  checkSignal(signal);
  if (timeoutMs !== undefined && !(typeof timeoutMs === 'number' && timeoutMs >= 0 && timeoutMs <= MOST_TIMEOUT_MS))
    throwArgument('timeoutMs', timeoutMs, `a number of milliseconds from 0 to ${MOST_TIMEOUT_MS}`);
}

/** What ends a request before its time. */
class Limit implements Disposable {
  /** Of both, if there are two. */
  readonly signal: AbortSignal | undefined;
  readonly #given: AbortSignal | undefined;
  readonly #controller: AbortController | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  #listener: (() => void) | undefined;

  /** @throws ERR_MEMLANE_ARGUMENT; the signal's reason. */
  constructor(options: RequestOptions) {
    checkLimit(checkOptions('options', options));
    const { signal, timeoutMs } = options;
    signal?.throwIfAborted();
    this.#given = signal;
    this.signal = signal;
    if (timeoutMs === undefined) return;
    const controller = new AbortController();
    this.#controller = controller;
    this.signal = controller.signal;
    const late = (): void => controller.abort(new DOMException('The request has timed out', 'TimeoutError'));
    this.#timer = setTimeout(late, timeoutMs);
    signal?.addEventListener('abort', this.#pass, { once: true });
  }

  /** Calls back when it ends the request. */
  onAbort(ended: (reason: unknown) => void): void {
    const { signal } = this;
    if (signal === undefined) return;
    this.#listener = () => ended(signal.reason);
    signal.addEventListener('abort', this.#listener, { once: true });
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    if (this.#listener !== undefined) this.signal?.removeEventListener('abort', this.#listener);
    this.#given?.removeEventListener('abort', this.#pass);
  }

  readonly #pass = (): void => this.#controller?.abort(this.#given?.reason);
}
