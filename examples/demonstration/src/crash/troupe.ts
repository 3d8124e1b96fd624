// The producer and the consumer that are at work, and their successors.
import type { Actor } from '../actor.ts';
import type { Stage } from '../stage.ts';

export type Part = 'producer' | 'consumer';

export class Troupe {
  readonly #start: Readonly<Record<Part, () => Actor>>;
  readonly #playing: Record<Part, Actor>;
  readonly #stage: Stage;

  constructor(stage: Stage, messagesPath: string, reportsPath: string, total: number) {
    const program = (part: Part): URL => new URL(`./programs/${part}.js`, import.meta.url);
    const generations = { producer: 0, consumer: 0 };
    this.#stage = stage;
    this.#start = {
      producer: () => stage.start(program('producer'), messagesPath, total, ++generations.producer),
      consumer: () => stage.start(program('consumer'), messagesPath, reportsPath, ++generations.consumer),
    };
    this.#playing = { producer: this.#start.producer(), consumer: this.#start.consumer() };
  }

  /** Kills the one who plays the part and starts the next; returns the pid of the dead. */
  async replace(part: Part): Promise<number> {
    const killed = this.#playing[part];
    await this.#stage.kill(killed);
    this.#playing[part] = this.#start[part]();
    return killed.pid;
  }

  /** Resolves when both have come to their end. */
  async end(): Promise<void> {
    const { producer, consumer } = this.#playing;
    await this.#stage.while(Promise.all([producer.result, consumer.result]));
  }
}
