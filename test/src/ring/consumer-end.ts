import { Action, type Consumer, type ConsumerOptions, type Ring } from 'memlane';
import { type PlainError, plainError } from '../support/speech.ts';
import { End, outcomes, type StreamPlan } from './end.ts';
import { fault } from './traffic.ts';

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

/** A consumer and what the cases do with one. */
export class ConsumerEnd extends End<Consumer, ConsumerOptions> {
  protected take(ring: Ring, options: ConsumerOptions): Consumer {
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
    for await (const { data, type } of messages) {
      seen.push({ data: Buffer.from(data), type }); // a delivery's lies in the queue
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
