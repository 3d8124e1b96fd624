import { writeSync } from 'node:fs';
import { exit, hrtime } from 'node:process';
import { GapRecorder } from './gap-recorder.ts';

/** What a case program is told on its command line; the native ones take the same (native/harness.h). */
export interface Role {
  readonly variant: string;
  readonly produces: boolean;
  /** Where this sample may create files: a prefix of its own. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Messages sent before measuring starts. */
  readonly warmup: number;
  /** All messages, those of the warm-up included. */
  readonly count: number;
}

export function parseRole(argv: readonly string[] = process.argv.slice(2)): Role {
  const [variant, role, path, size, warmup, count] = argv;
  return {
    variant,
    produces: role === 'producer',
    path,
    sizeBytes: Number(size),
    warmup: Number(warmup),
    count: Number(count),
  };
}

/** The command line of the opposite role, for a program that starts it itself. */
export function oppositeArguments(role: Role): string[] {
  const opposite = role.produces ? 'consumer' : 'producer';
  return [role.variant, opposite, role.path, ...[role.sizeBytes, role.warmup, role.count].map(String)];
}

export function nowNs(): number {
  const [seconds, nanoseconds] = hrtime();
  return seconds * 1e9 + nanoseconds;
}

// Written synchronously: a process that ends right after a report must not lose it.
export function print(line: string): void {
  writeSync(1, `${line}\n`);
}

export function printReady(): void {
  print('ready');
}

/** The process that measured prints one line of JSON (read by sample.ts). */
export function report(fields: object): void {
  print(JSON.stringify(fields));
}

/** The consumer's count in a throughput case: when measuring starts, when it ends, what arrived damaged. */
export class Arrivals {
  sequence = 0;
  readonly #warmup: number;
  readonly #count: number;
  #faults = 0;
  #startedNs = 0;

  constructor(role: Role) {
    this.#warmup = role.warmup;
    this.#count = role.count;
  }

  /** Counts a message in; after the last one it reports. @returns whether this was the last one */
  arrive(intact: boolean): boolean {
    if (!intact) this.#faults++;
    this.sequence++;
    if (this.sequence === this.#warmup) this.#startedNs = nowNs();
    if (this.sequence !== this.#count) return false;
    report({ elapsedNs: nowNs() - this.#startedNs, faults: this.#faults });
    return true;
  }
}

/** The pinging side of a round-trip case that is driven by events. */
export class RoundTrips {
  sequence = 0;
  readonly #role: Role;
  readonly #send: (sequence: number) => unknown;
  readonly #gaps: GapRecorder;
  #faults = 0;

  constructor(role: Role, send: (sequence: number) => unknown) {
    this.#role = role;
    this.#send = send;
    this.#gaps = new GapRecorder(role.count - role.warmup);
  }

  start(): void {
    this.#send(0);
  }

  /** Counts a reply in and sends the next message; after the last reply it reports and ends the process. */
  reply(intact: boolean): void {
    this.#gaps.mark(this.sequence - this.#role.warmup);
    if (!intact) this.#faults++;
    if (++this.sequence < this.#role.count) {
      this.#send(this.sequence);
      return;
    }
    report({ ...this.#gaps.summary(), faults: this.#faults });
    exit(0);
  }
}
