import { MemlaneError } from '@memlane/linux';
import { ReplyKind } from './service-protocol.ts';

/** A reply, as it is found in the ring. */
export interface ReplyMessage<Reply> {
  readonly kind: number;
  readonly delivery: number;
  /** Decodes what it carries. @throws ERR_MEMLANE_CODEC, ERR_MEMLANE_INVALID */
  value(): Reply;
  error(): unknown;
}

/** What waits for replies to one request. */
export interface Call<Reply> {
  /** Takes a reply; returns whether that was the last. @throws what becomes the failure of the call */
  receive(message: ReplyMessage<Reply>): boolean;
  /** Ends it. */
  fail(error: unknown): void;
}

/** A call for one reply. */
export class SingleCall<Reply> implements Call<Reply> {
  readonly #resolve: (value: Reply) => void;
  readonly #reject: (error: unknown) => void;

  constructor(resolve: (value: Reply) => void, reject: (error: unknown) => void) {
    this.#resolve = resolve;
    this.#reject = reject;
  }

  receive(message: ReplyMessage<Reply>): boolean {
    if (message.kind === ReplyKind.value) this.#resolve(message.value());
    else if (message.kind === ReplyKind.error) this.#reject(message.error());
    else throw new MemlaneError('ERR_MEMLANE_CORRUPT', `A reply of kind ${message.kind}`, { field: 'kind' });
    return true;
  }

  fail(error: unknown): void {
    this.#reject(error);
  }
}

/** A call for a stream: what has come and was not read yet. */
export class StreamCall<Reply> implements Call<Reply> {
  readonly #window: number;
  readonly #grant: (granted: number) => void;
  #items: Reply[] = [];
  /** Delivery from which the items come. */
  #delivery = 0;
  #received = 0;
  #read = 0;
  #granted = 0;
  #over = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  /** @param grant says to the server how many items were read. */
  constructor(window: number, grant: (granted: number) => void) {
    this.#window = window;
    this.#grant = grant;
  }

  receive(message: ReplyMessage<Reply>): boolean {
    const { kind, delivery } = message;
    if (delivery < this.#delivery) return false; // of one who has been succeeded
    if (delivery > this.#delivery && this.#received > 0)
      throw new MemlaneError('ERR_MEMLANE_PEER_DIED', `The server died after ${this.#received} items of a stream`);
    this.#delivery = delivery;
    if (kind === ReplyKind.error) throw message.error();
    if (kind === ReplyKind.item || kind === ReplyKind.value) {
      this.#items.push(message.value());
      this.#received += 1;
    }
    this.#over = kind !== ReplyKind.item;
    this.#wake?.();
    return this.#over;
  }

  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake?.();
  }

  /** Fails it without the items that have come. */
  cut(error: unknown): void {
    this.#items = [];
    this.fail(error);
  }

  /** The next item, in a list; an empty one at the end. */
  async next(): Promise<readonly Reply[]> {
    for (;;) {
      if (this.#items.length > 0) {
        const item = this.#items.splice(0, 1);
        this.#read += 1;
        if (!this.#over && 2 * (this.#read - this.#granted) >= this.#window) {
          this.#granted = this.#read;
          this.#grant(this.#granted);
        }
        return item;
      }
      if (this.#failure !== undefined) throw this.#failure.error;
      if (this.#over) return [];
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}
