// How the two ends of the ring tell the act what happens to them, as it happens.
import { type Consumer, type Fault, guard, type Producer } from 'memlane';
import { clockMs } from '../clock.ts';
import { report } from '../role.ts';

/** An event of an end: an access to a page that was gone, or that it goes on in a fresh file. */
export type Mishap =
  | { readonly fault: Fault }
  | {
      /** Fresh files so far. */
      readonly moves: number;
      /** When it had moved, by the system's clock. */
      readonly atMs: number;
      /** Its next message. */
      readonly number: number;
    };

export class Mishaps {
  readonly #end: Producer | Consumer;
  #moves = 0;

  constructor(end: Producer | Consumer) {
    this.#end = end;
    guard.on('fault', (fault) => report({ event: { fault } satisfies Mishap }));
  }

  /** Tells of a move, if there was one since the last time. Called after everything that may move. */
  tell(number: number): void {
    const moves = this.#end.recoveries;
    if (moves === this.#moves) return;
    this.#moves = moves;
    report({ event: { moves, atMs: clockMs(), number } satisfies Mishap });
  }
}
