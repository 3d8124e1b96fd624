import { closeSync, openSync, readSync } from 'node:fs';
import { SLOT } from '@memlane/core';
import { Program } from '../support/program.ts';
import { buildPeer } from './compiler.ts';

/** What one end of a ring is written in. */
export type Language = 'C' | 'Node.js';
export const LANGUAGES: readonly Language[] = ['C', 'Node.js'];
export const other = (language: Language): Language => (language === 'C' ? 'Node.js' : 'C');

/** What a peer can be; of a ring, or of a work queue. */
export type Role = 'produce' | 'consume' | 'work-produce' | 'work-consume';

/** How a wait is done; what runs in C knows no event loop, and parks its thread. */
export type Strategy = 'spin' | 'park' | 'event';

/** What was read of one producer's messages. */
export interface Seen {
  readonly first: number;
  readonly next: number;
  readonly count: number;
  /** Numbers left out. */
  readonly skipped: number;
}

/** What a peer says of what it has read. */
export interface Read {
  readonly ended: boolean;
  /** Messages that it was told it had lost. */
  readonly lost: number;
  readonly faults: number;
  readonly fault: string;
  readonly seen: Readonly<Record<string, Seen>>;
}

/** Of `count` messages of a producer, from `first` on, none was left out, none came twice, and all were right. */
export const whole = (count: number, first = 0): Seen => ({ first, next: first + count, count, skipped: 0 });

/** What is to be read when everything is. */
export const all = (seen: Readonly<Record<string, Seen>>, ended = true): Read => ({
  ended,
  lost: 0,
  faults: 0,
  fault: '',
  seen,
});

/** A process that is one end of a ring; see test/interop/peer.c for what it can be told. */
export class Peer {
  readonly language: Language;
  readonly program: Program;

  constructor(language: Language) {
    this.language = language;
    const executable = language === 'C' ? buildPeer() : undefined;
    this.program = new Program('interop-peer', null, { executable });
  }

  /** Tells it something; resolves to its answer. @throws when that is an error. */
  async ask<Value = unknown>(command: string): Promise<Value> {
    const [what, value] = await this.#answerTo<Value>(command);
    if (what === 'error') throw new Error(`${this.language}: '${command}': ${JSON.stringify(value)}`);
    return value;
  }

  /** The same, when it is to be refused. @returns the error's code, and the field that it names. */
  async refusal(command: string): Promise<{ code: string; field: string | undefined }> {
    const [what, value] = await this.#answerTo<{ code: string; field?: string }>(command);
    if (what !== 'error') throw new Error(`${this.language}: '${command}' was not refused`);
    return { code: value.code.replace('ERR_MEMLANE_', ''), field: value.field || undefined };
  }

  #answerTo<Value>(command: string): Promise<[what: string, value: Value]> {
    this.program.tell(command);
    return this.program.next<[string, Value]>('answer');
  }

  write(id: number, first: number, count: number, longest: number, wait: Strategy): Promise<number> {
    return this.ask(`write ${id} ${first} ${count} ${longest} ${wait}`);
  }

  /** Writes until there is no room. @returns how many. */
  tryWrite(id: number, first: number, count: number, longest: number): Promise<number> {
    return this.ask(`try ${id} ${first} ${count} ${longest}`);
  }

  read(count: number, longest: number, wait: Strategy): Promise<Read> {
    return this.ask(`read ${count} ${longest} ${wait}`);
  }

  /** Kills it, for real, and waits until it is gone. */
  async kill(): Promise<void> {
    this.program.kill();
    await this.program.ended;
  }
}

/** Processes of Node.js that have nothing to do: to start one takes longer than most tests. */
const idle: Peer[] = [];

/** The peers of one test; they leave at the end of its scope. */
export class Crew implements AsyncDisposable {
  readonly #peers: Peer[] = [];

  peer(language: Language): Peer {
    const peer = (language === 'Node.js' ? idle.pop() : undefined) ?? new Peer(language);
    this.#peers.push(peer);
    return peer;
  }

  /** A peer with a place in a ring. */
  async take(language: Language, role: Role, path: string, options = ''): Promise<Peer> {
    const peer = this.peer(language);
    await peer.ask(`${role} ${path}${options === '' ? '' : ` ${options}`}`);
    return peer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#peers.map(async (peer) => {
        const { program, language } = peer;
        if (program.running && language === 'Node.js' && !(await failure(peer.ask('leave')))) idle.push(peer);
        else await program[Symbol.asyncDispose]();
      }),
    );
  }
}

/** Ends the processes that have nothing to do. */
export async function dismiss(): Promise<void> {
  await Promise.all(idle.splice(0).map(({ program }) => program[Symbol.asyncDispose]()));
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Longest that anything may take to happen: a watchdog, not an expectation. */
const PATIENCE_MS = 15_000;

/** Looks until it is so. @throws after the patience */
export async function until(what: string, isSo: () => boolean): Promise<void> {
  for (const deadline = performance.now() + PATIENCE_MS; !isSo(); ) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Waits until the owner of a slot sleeps. */
export async function untilParked(path: string, slot: number): Promise<void> {
  const offset = 1024 + slot * SLOT.bytes + SLOT.fields.parked.offset;
  const word = Buffer.alloc(4);
  const fd = openSync(path, 'r');
  try {
    await until(`slot ${slot} sleeps`, () => {
      readSync(fd, word, 0, 4, offset);
      return (word.readInt32LE() & 2) !== 0;
    });
  } finally {
    closeSync(fd);
  }
}
