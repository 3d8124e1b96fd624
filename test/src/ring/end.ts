import type { Consumer, EndpointOptions, Producer, Ring, RingDescriptor } from 'memlane';
import { type PlainError, plainError } from '../support/speech.ts';
import { attach } from './conformance/bed.ts';
import type { Traffic } from './traffic.ts';

/*
 * What the conformance cases can ask of the two ends of a ring, wherever these are: everything passed and returned
 * survives a structured clone, so each method can be called across threads and processes (see ./places.ts).
 */

/** How a stream is written and read. */
export interface StreamPlan {
  readonly traffic: Traffic;
  readonly count: number;
  readonly blocking: boolean;
  readonly maxBatch: number;
}

/** What producers and consumers have in common. */
export abstract class End<Endpoint extends Producer | Consumer, Options extends EndpointOptions> {
  #defaults: Options | undefined;
  #ring: Ring | undefined;
  #ownsRing = false;
  #endpoint: Endpoint | undefined;
  readonly #aborts = new Map<string, AbortController>();

  /** Attaches to the ring of another thread or process. */
  attach(descriptor: RingDescriptor, folder: string, defaults: Options): void {
    this.reset();
    this.#defaults = defaults;
    process.env.MEMLANE_DIR = folder;
    this.#ring = attach(descriptor);
    this.#ownsRing = true;
  }

  /** Uses a ring of this thread. */
  use(ring: Ring, defaults: Options): void {
    this.reset();
    this.#defaults = defaults;
    this.#ring = ring;
  }

  /** Takes its place; what is not given is as was said with the ring. */
  open(options: Partial<Options> = {}): void {
    this.#endpoint = this.take(this.ring, { ...this.#defaults, ...options } as Options);
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

  protected abstract take(ring: Ring, options: Options): Endpoint;

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

/** What each of the methods throws. */
export async function outcomes(
  methods: Record<string, () => unknown>,
): Promise<Record<string, PlainError | undefined>> {
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
