import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** What a case program says of itself. */
export interface Followed {
  /** It is attached. */
  readonly ready: Promise<void>;
  /** A producer of a work queue has sent everything. */
  readonly sent: Promise<void>;
  /** Its other lines, when it has ended. */
  readonly output: Promise<string[]>;
}

export function follow(child: ChildProcess): Followed {
  const lines: string[] = [];
  let complaints = '';
  const said: Record<string, () => void> = {};
  const ready = new Promise<void>((resolve) => (said.ready = resolve));
  const sent = new Promise<void>((resolve) => (said.sent = resolve));
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (Object.hasOwn(said, line)) said[line]();
      else lines.push(line);
    });
  }
  child.stderr?.on('data', (chunk) => (complaints += chunk));
  const output = once(child, 'close').then(([code, signal]) => {
    if (code === 0) return lines;
    throw new Error(`ended with ${signal ?? `code ${code}`}: ${gist(complaints)}`);
  });
  return { ready, sent, output };
}

/** The line of a program's complaints that says what went wrong: a JavaScript one prints code before it and a stack after. */
function gist(complaints: string): string {
  const lines = complaints.split('\n').filter((line) => line.trim() !== '');
  return (lines.find((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1) ?? 'no message').trim();
}
