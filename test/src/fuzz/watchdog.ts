import { Worker } from 'node:worker_threads';

/*
 * A program that fuzzes says where it is before each step. A thread of its own looks whether it still moves, and ends the
 * process when it does not: what stands still is known then, instead of only that something does.
 */

const STALL_MS = 15_000;

// A text, not a file: the file would be imported with everything that it imports, by a thread that must not fail.
const WATCHER = `
const { workerData: { words, label, stallMs } } = require('node:worker_threads');
const { writeSync } = require('node:fs');
let seen = -1;
let since = performance.now();
setInterval(() => {
  const now = words[0];
  if (now !== seen) { seen = now; since = performance.now(); return; }
  if (performance.now() - since < stallMs) return;
  const text = Buffer.from(label.slice(0, words[1])).toString();
  writeSync(2, 'stands still for ' + stallMs + ' ms at step ' + now + ': ' + text + '\\n');
  process.kill(process.pid, 'SIGKILL');
}, 500);
`;

/** Ends the process when {@link at} is not called for a quarter of a minute. */
export class Watchdog {
  readonly #words = new Int32Array(new SharedArrayBuffer(8));
  readonly #label = new Uint8Array(new SharedArrayBuffer(4096));
  readonly #encoder = new TextEncoder();

  constructor() {
    const workerData = { words: this.#words, label: this.#label, stallMs: STALL_MS };
    new Worker(WATCHER, { eval: true, workerData }).unref();
  }

  /** Says what comes next. */
  at(step: unknown): void {
    const text = this.#encoder.encode(JSON.stringify(step).slice(0, 1000));
    this.#label.set(text);
    this.#words[1] = text.length;
    this.#words[0] = (this.#words[0] as number) + 1;
  }
}
