import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';

/*
 * A program's side of ./program.ts. Lines are written with write(2) at once, so that one that was said is heard even when
 * the process is killed at the very next instruction.
 */

/** What the judge passed on. */
export function parameters<Value>(): Value {
  return JSON.parse(process.argv[2] ?? 'null') as Value;
}

/** Tells the judge. */
export function say(event: string, value: unknown = null): void {
  writeSync(1, `${JSON.stringify([event, value])}\n`);
}

/** What the judge tells this program, line by line. Ends the process when the judge is gone. */
export class Commands {
  readonly #lines: string[] = [];
  #wake: () => void = () => {};

  constructor() {
    createInterface({ input: process.stdin })
      .on('line', (line) => {
        this.#lines.push(line);
        this.#wake();
      })
      .on('close', () => process.exit());
  }

  async next(): Promise<string> {
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined) return line;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Lets the process end while nothing is being waited for. */
  unref(): void {
    // A pipe or socket, whatever the type says.
    (process.stdin as unknown as { unref(): void }).unref();
  }
}

/** Gives up root for good; everything that needs it must be loaded before. */
export function becomeUser(uid: number): void {
  process.setgroups?.([]);
  process.setgid?.(uid);
  process.setuid?.(uid);
}

/** What an error is, in plain data: `{ name, code, message }` and the rest that memlane's errors say. */
export interface PlainError {
  readonly name: string;
  readonly code?: string;
  readonly message: string;
  readonly remedy?: string;
  readonly syscall?: string;
  readonly field?: string;
  readonly path?: string;
}

export function plainError(error: unknown): PlainError {
  const { name, code, message, remedy, syscall, field, path } = error as PlainError;
  return { name, code, message, remedy, syscall, field, path };
}

/** What `action` throws, as plain data; undefined when it does not. */
export function thrownBy(action: () => unknown): PlainError | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return plainError(error);
  }
}

/** The same for what returns a promise. */
export async function rejectionOf(action: () => unknown): Promise<PlainError | undefined> {
  try {
    await action();
    return undefined;
  } catch (error) {
    return plainError(error);
  }
}

/** Lets at least that much time pass. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
