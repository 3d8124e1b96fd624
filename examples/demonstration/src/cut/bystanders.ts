// Two who only read the file, in the same way: one through memlane, one through mmap-io.
import { setTimeout as delay } from 'node:timers/promises';
import type { Actor } from '../actor.ts';
import { clockMs } from '../clock.ts';
import type { Stage } from '../stage.ts';
import { grouped, microseconds } from '../units.ts';
import type { Testimony } from './programs/bystander.ts';

/** How long one whom the blow has not harmed is looked at. */
const PATIENCE_MS = 2000;

export class Bystanders {
  readonly #stage: Stage;
  readonly #guarded: Actor<Testimony>;
  readonly #stock: Actor;
  /** When the second one was gone. */
  #goneMs = Number.NaN;

  constructor(stage: Stage, path: string) {
    const program = (name: string): URL => new URL(`./programs/${name}.js`, import.meta.url);
    this.#stage = stage;
    this.#guarded = stage.start(program('bystander'), path);
    this.#stock = stage.startDoomed(program('stock-bystander'), path);
    void this.#stock.gone.then(() => {
      this.#goneMs = clockMs();
    });
  }

  /** Resolves when both read, or cannot. */
  async begin(): Promise<void> {
    await this.#stage.while(Promise.all([this.#guarded.ready, this.#stock.ready.catch(() => {})]));
  }

  /** What has become of both, in words. @param cutMs when the file was cut, by the system's clock */
  async look(cutMs: number): Promise<string[]> {
    const { fault, code } = await this.#stage.while(this.#guarded.result);
    const seen = `${code}, byte ${grouped(fault.offset)} of ${fault.path}`;
    return [`memlane, reading beside it: ${seen}; alive`, `mmap-io, reading beside it: ${await this.#fate(cutMs)}`];
  }

  async #fate(cutMs: number): Promise<string> {
    await this.#stage.while(Promise.race([this.#stock.gone, delay(PATIENCE_MS)]));
    const { signal } = this.#stock;
    if (signal !== null) return `killed by ${signal}, ${microseconds(1000 * (this.#goneMs - cutMs))} after the cut`;
    if (Number.isNaN(this.#goneMs)) {
      await this.#stage.kill(this.#stock);
      return 'alive, too';
    }
    const why = await this.#stock.result.then(
      () => 'it has ended',
      (error: Error) => error.message,
    );
    return `not to be seen: ${why}`;
  }
}
