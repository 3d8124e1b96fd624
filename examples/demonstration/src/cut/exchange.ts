// A producer and a consumer at work on one file, and what they tell of it.
import { setTimeout as delay } from 'node:timers/promises';
import type { Fault } from 'memlane';
import type { Actor } from '../actor.ts';
import { Complaint } from '../complaint.ts';
import type { Stage } from '../stage.ts';
import type { Balance } from './ledger.ts';
import type { Mishap } from './mishaps.ts';

/** What the producer reports. */
export interface Production {
  readonly sent: number;
  /** Accesses to pages that were gone. */
  readonly faults: number;
}

/** What the consumer reports. */
export interface Consumption extends Balance {
  readonly faults: number;
}

const ENDS = ['producer', 'consumer'] as const;
type End = (typeof ENDS)[number];

/** A move to a fresh file: when it was done, and the next message of the end that did it. */
interface Move {
  readonly atMs: number;
  readonly number: number;
}

export class Exchange {
  /** Messages received so far. */
  received = 0;
  /** Times that each end has moved to a fresh file. */
  readonly moves: Record<End, number> = { producer: 0, consumer: 0 };
  /** The last move of each end, and the last fault that one of them has met, since {@link forget}. */
  readonly #moved = new Map<End, Move>();
  #fault: Fault | undefined;
  readonly #stage: Stage;
  readonly #producer: Actor<Production>;
  readonly #consumer: Actor<Consumption>;

  constructor(stage: Stage, path: string) {
    const start = <Result>(end: End): Actor<Result> => {
      const actor = stage.start<Result>(new URL(`./programs/${end}.js`, import.meta.url), path);
      actor.onEvent = (event) => this.#hear(end, event as Mishap);
      return actor;
    };
    this.#stage = stage;
    this.#producer = start('producer');
    this.#consumer = start('consumer');
    this.#consumer.onProgress = (received) => {
      this.received = received;
    };
  }

  /** Resolves when both are at work. */
  async begin(): Promise<void> {
    await this.#stage.while(Promise.all([this.#producer.ready, this.#consumer.ready]));
  }

  /** The later move, once both have moved since {@link forget}. */
  get moved(): Move | undefined {
    const moves = [...this.#moved.values()].sort((a, b) => a.atMs - b.atMs);
    return moves.length === ENDS.length ? moves.at(-1) : undefined;
  }

  get fault(): Fault | undefined {
    return this.#fault;
  }

  forget(): void {
    this.#moved.clear();
    this.#fault = undefined;
  }

  /** Resolves when everything that was sent has been received. @throws (rejects) Complaint when that takes too long */
  async end(patienceMs: number): Promise<[Production, Consumption]> {
    this.#producer.askToEnd();
    const standstill = delay(patienceMs, undefined, { ref: false }).then(() => {
      throw new Complaint(`The exchange stands still after ${this.received} messages`);
    });
    const results = Promise.all([this.#producer.result, this.#consumer.result]);
    return await this.#stage.while(Promise.race([results, standstill]));
  }

  #hear(end: End, mishap: Mishap): void {
    if ('fault' in mishap) {
      this.#fault = mishap.fault;
    } else {
      this.moves[end] = mishap.moves;
      this.#moved.set(end, mishap);
    }
  }
}
