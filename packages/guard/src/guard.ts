import { EventEmitter } from 'node:events';
import { constants as fs } from 'node:fs';
import { Socket } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import { constants, systemCalls } from '@memlane/linux';
import type { Fault } from './fault.ts';
import { takeLastFaults, watchedRanges } from './guarded-range.ts';
import { ControlWord, control, install, libraryPath, load, native, orThrow, owner } from './native.ts';

/** How things stand, for people and for monitoring. Counts are of the whole process. */
export interface GuardStatus {
  /** Whether SIGBUS and SIGSEGV come to the guard now. Another native library may have replaced its handlers. */
  readonly installed: boolean;
  /** Times the handlers were installed. More than 1: somebody had replaced them. */
  readonly installs: number;
  /** Ranges watched; a mirrored one counts twice. */
  readonly watched: number;
  /** Faults that would have ended the process. */
  readonly faults: number;
  /** Signals that concerned no range and went on to whoever handled them before. */
  readonly passedOn: number;
  /** Faults in a watched range that could not be repaired, and went on as well. */
  readonly failed: number;
  /** The shared object that holds the handlers. */
  readonly library: string;
}

/** Faults are told once a range, until it is restored. */
interface GuardEvents {
  fault: [fault: Fault];
  newListener: [event: string | symbol];
  removeListener: [event: string | symbol];
}

/**
 * The guard of this process, as this thread sees it.
 *
 * `guard.on('fault', …)` tells of faults in the ranges that this thread watches, soon after they happen and whether
 * anybody checks or not. It is news, not protection: what was read before may already have been believed.
 *
 * @example
 * guard.on('fault', ({ cause, path, offset }) => log.warn(`${path}: ${cause} at byte ${offset}`));
 */
export class Guard extends EventEmitter<GuardEvents> {
  #news: News | undefined;

  constructor() {
    super();
    this.on('newListener', (event) => {
      if (event !== 'fault' || this.#news !== undefined) return;
      takeLastFaults(); // what happened before anybody listened
      this.#news = new News(() => this.#tell());
    });
    this.on('removeListener', (event) => {
      if (event !== 'fault' || this.listenerCount('fault') > 0) return;
      this.#news?.close();
      this.#news = undefined;
    });
  }

  /** Two system calls. */
  status(): GuardStatus {
    const word = (name: keyof typeof ControlWord): number => load(control, ControlWord[name]);
    return {
      installed: native.installed() === 3,
      installs: word('installs'),
      watched: word('watched'),
      faults: word('faults'),
      passedOn: word('passedOn'),
      failed: word('failed'),
      library: libraryPath,
    };
  }

  #tell(): void {
    for (const fault of takeLastFaults()) this.emit('fault', fault);
    for (const range of watchedRanges()) {
      if (range.faults === 0 || range.told) continue;
      range.told = true;
      const fault = range.describe();
      if (fault !== undefined) this.emit('fault', fault);
    }
  }
}

/** A pipe into which the handler writes a byte, read by the event loop without keeping it alive. */
class News {
  readonly #socket: Socket;
  readonly #place: number;

  constructor(onFault: () => void) {
    const ends = new Int32Array(2);
    orThrow(systemCalls.pipe2(ends, constants.O_CLOEXEC | fs.O_NONBLOCK), 'pipe2');
    const [readEnd, writeEnd] = ends;
    this.#place = orThrow(native.notify(writeEnd, owner), 'guard_notify');
    this.#socket = new Socket({ fd: readEnd, readable: true, writable: false });
    this.#socket.on('data', onFault).unref();
  }

  close(): void {
    native.silence(this.#place);
    this.#socket.destroy();
  }
}

/** The guard of this process. */
export const guard: Guard = new Guard();

// A listener of process.on('SIGBUS') makes libuv replace the handlers, and its own returns without repairing anything:
// the faulting instruction would be repeated for ever. Node's own hooks run before these, so libuv is through by now.
if (isMainThread) {
  const reinstall = (event: string | symbol): void => {
    if (event === 'SIGBUS' || event === 'SIGSEGV') install();
  };
  process.on('newListener', reinstall);
  process.on('removeListener', reinstall);
}
