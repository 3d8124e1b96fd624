import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

/** How an example ended, and all it printed. */
export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A watchdog for a busy machine, not an expectation. */
export const PATIENCE_MS = 120_000;

/** A compiled program of examples/, run as a user would: with rings in a folder of its own and without a terminal. */
export class Example implements Disposable {
  readonly outcome: Promise<Outcome>;
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  #stdout = '';

  constructor(program: string, args: readonly string[], memlaneDirectory: string) {
    const path = fileURLToPath(new URL(`../../../examples/${program}.js`, import.meta.url));
    this.#child = spawn(process.execPath, [path, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, MEMLANE_DIR: memlaneDirectory },
    });
    let stderr = '';
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
    });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    this.outcome = new Promise((resolve) => {
      this.#child.on('close', (code, signal) => resolve({ code, signal, stdout: this.#stdout, stderr }));
    });
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** Resolves when it has printed that; throws with all it has printed when it ends before. */
  async prints(text: string): Promise<void> {
    const ended = this.outcome.then(() => {});
    const more = (): Promise<void> => new Promise((resolve) => this.#child.stdout.once('data', () => resolve()));
    while (!this.#stdout.includes(text)) {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null)
        throw new Error(`it ended without '${text}': ${JSON.stringify(await this.outcome)}`);
      await Promise.race([ended, more()]);
    }
  }

  /** As {@link prints}; returns the line. */
  async line(text: string): Promise<string> {
    await this.prints(text);
    return this.#stdout.split('\n').find((line) => line.includes(text)) as string;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  [Symbol.dispose](): void {
    this.kill('SIGKILL');
  }
}
