// The act's side of the process that destroys the file.
import { createRing, type Producer, type Ring } from 'memlane';
import type { Actor } from '../actor.ts';
import type { Stage } from '../stage.ts';

export class Saboteur implements Disposable {
  readonly #stage: Stage;
  readonly #orders: Ring;
  readonly #giver: Producer;
  readonly #actor: Actor;

  constructor(stage: Stage, path: string) {
    const ordersPath = stage.path('orders');
    this.#stage = stage;
    this.#orders = createRing(ordersPath);
    this.#giver = this.#orders.producer();
    this.#actor = stage.start(new URL('./programs/saboteur.js', import.meta.url), path, ordersPath);
  }

  get ready(): Promise<void> {
    return this.#actor.ready;
  }

  /** Has one of the BLOWS dealt; returns when, by the system's clock. */
  async strike(blow: number): Promise<number> {
    const struck = new Promise<object>((resolve) => {
      this.#actor.onEvent = resolve;
    });
    await this.#giver.write('', { type: blow });
    const { atMs } = (await this.#stage.while(struck)) as { atMs: number };
    return atMs;
  }

  async end(): Promise<void> {
    this.#giver.end();
    await this.#stage.while(this.#actor.result);
  }

  [Symbol.dispose](): void {
    this.#orders.close();
  }
}
