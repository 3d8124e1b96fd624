import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs';

/*
 * What the two sides of a storm have done, written down where SIGKILL cannot take it back: entries of three 32-bit
 * numbers, appended by one write(2) each. The consumer writes a message down before it advances over it, the producer a
 * commit after it was made; so what is missing at most is the last thing that each was doing.
 */

/** A message is known by the life of the producer that wrote it, and its number in that. */
export interface MessageKey {
  readonly life: number;
  readonly number: number;
}

const NUMBER_BITS = 20;

/** The key as one number, which travels as the type of the message. */
export function packKey({ life, number }: MessageKey): number {
  return (life << NUMBER_BITS) | number;
}

export function unpackKey(packed: number): MessageKey {
  return { life: packed >>> NUMBER_BITS, number: packed & (2 ** NUMBER_BITS - 1) };
}

/** Most messages that one life may write. */
export const MAX_MESSAGES: number = 2 ** NUMBER_BITS - 1;

/** Entries: what happened, the key of the message concerned or the number of the life. */
export const Event = { begun: 0, handled: 1, advanced: 2, committed: 3, ended: 4, settled: 5 } as const;
type EventNumber = (typeof Event)[keyof typeof Event];

export interface Entry {
  readonly event: EventNumber;
  readonly value: number;
}

const ENTRY_BYTES = 8;

/** Appends to a journal. */
export class Journal implements Disposable {
  readonly #fd: number;
  readonly #entry: Int32Array = new Int32Array(ENTRY_BYTES / 4);

  constructor(path: string) {
    this.#fd = openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, 0o600);
  }

  note(event: EventNumber, value = 0): void {
    this.#entry[0] = event;
    this.#entry[1] = value;
    writeSync(this.#fd, this.#entry);
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

/** Entries read at a time: a journal may be longer than an array of its entries should be. */
const CHUNK_ENTRIES = 8192;

export function* readJournal(path: string): Generator<Entry, void> {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    if (fstatSync(fd).size % ENTRY_BYTES !== 0) throw new Error(`${path} ends inside an entry`);
    const words = new Int32Array((CHUNK_ENTRIES * ENTRY_BYTES) / 4);
    for (let bytes = readSync(fd, words); bytes > 0; bytes = readSync(fd, words))
      for (let at = 0; at < bytes / 4; at += 2)
        yield { event: words[at] as EventNumber, value: words[at + 1] as number };
  } finally {
    closeSync(fd);
  }
}

/** What a storm came to. */
export interface Verdict {
  readonly messages: number;
  /** Messages that were handled more than once, because a consumer died before it had advanced over them. */
  readonly repeats: number;
  readonly producers: number;
  readonly consumers: number;
}

/**
 * Judges what the consumers handled against what the producers have committed: each message in its place, none left out,
 * repeats only of what was not surely advanced over.
 *
 * @throws with the first thing that is wrong.
 */
export function judge(consumed: Iterable<Entry>, produced: Iterable<Entry>): Verdict {
  const committed = lastCommitted(produced);
  /** Messages that were handled and are not surely advanced over, in the order of their first handling. */
  let open: number[] = [];
  /** Where the consumer that lives now is among them; undefined until its first message says so. */
  let place: number | undefined;
  let last: number | undefined;
  let messages = 0;
  let repeats = 0;
  let consumers = 0;
  let ended = false;

  for (const { event, value } of consumed) {
    if (event === Event.begun) {
      consumers += 1;
      place = undefined;
    } else if (event === Event.advanced) {
      if (place !== undefined) open = open.slice(place);
      place = place === undefined ? undefined : 0;
    } else if (event === Event.ended) {
      ended = true;
    } else {
      place ??= beginning(value);
      if (place < open.length) {
        if (open[place] !== value) throw new Error(`${name(value)} was repeated in the place of ${name(open[place])}`);
        repeats += 1;
      } else {
        expectSuccessor(last, value);
        open.push(value);
        last = value;
        messages += 1;
      }
      place += 1;
    }
  }
  if (!ended) throw new Error('no consumer saw the end of the stream');
  for (const [life, number] of committed)
    if (isBehind(last, packKey({ life, number })))
      throw new Error(`${name(packKey({ life, number }))} was committed, but never handled`);
  return { messages, repeats, producers: committed.size, consumers };

  /** Where a consumer's first message stands: nowhere but behind what was surely advanced over. */
  function beginning(first: number): number {
    const found = open.indexOf(first);
    if (found >= 0) return found;
    if (!isBehind(last, first)) throw new Error(`${name(first)} came again after it had been advanced over`);
    return open.length;
  }

  /** Whether `next` is of a later life than `previous`, or of the same and has a larger number. */
  function isBehind(previous: number | undefined, next: number): boolean {
    return previous === undefined || next >>> 0 > previous >>> 0;
  }

  /** A new message is the next one of its life, or the first one of a later life. */
  function expectSuccessor(previous: number | undefined, next: number): void {
    const { life, number } = unpackKey(next);
    const before = previous === undefined ? { life: -1, number: -1 } : unpackKey(previous);
    const due = life === before.life ? before.number + 1 : 0;
    if (life < before.life || number !== due)
      throw new Error(`${name(next)} followed ${previous === undefined ? 'nothing' : name(previous)}`);
    if (life === before.life) return;
    for (const [earlier, lastNumber] of committed) {
      if (earlier >= life || earlier < before.life) continue;
      if (earlier > before.life || lastNumber > before.number)
        throw new Error(`${name(packKey({ life: earlier, number: lastNumber }))} was left out before ${name(next)}`);
    }
  }
}

/**
 * Judges what the consumers of one place handled of many producers: each life in its order and whole, repeats only of what
 * was not surely advanced over. Between lives there is no order.
 *
 * @throws with the first thing that is wrong.
 */
export function judgeMany(consumed: Iterable<Entry>, produced: Iterable<Entry>): Verdict {
  const committed = lastCommitted(produced);
  /** Of each life: messages handled at least once, and those that are surely advanced over. */
  const handled = new Map<number, number>();
  const advanced = new Map<number, number>();
  /** Of each life: the number that is due to the consumer that lives now. */
  let due = new Map<number, number>();
  let repeats = 0;
  let consumers = 0;
  let ended = false;
  for (const { event, value } of consumed) {
    if (event === Event.begun) {
      consumers += 1;
      due = new Map();
    } else if (event === Event.advanced)
      for (const [life, next] of due) advanced.set(life, Math.max(next, advanced.get(life) ?? 0));
    else if (event === Event.ended) ended = true;
    else {
      const { life, number } = unpackKey(value);
      const first = advanced.get(life) ?? 0;
      const most = handled.get(life) ?? 0;
      const right = due.get(life);
      if (right === undefined ? number < first || number > most : number !== right)
        throw new Error(`${name(value)} came where ${right ?? `one from ${first} to ${most}`} was due`);
      if (number < most) repeats += 1;
      else handled.set(life, number + 1);
      due.set(life, number + 1);
    }
  }
  if (!ended) throw new Error('no consumer saw the end of the stream');
  for (const [life, number] of committed)
    if ((handled.get(life) ?? 0) <= number)
      throw new Error(`${name(packKey({ life, number }))} was committed, but never handled`);
  const messages = [...handled.values()].reduce((sum, count) => sum + count, 0);
  return { messages, repeats, producers: committed.size, consumers };
}

/**
 * Judges what the consumers of a work queue handled, in one journal: each message that was committed was handled, and none
 * again after it had been acknowledged. Between the two a consumer may have died.
 *
 * @throws with the first thing that is wrong.
 */
export function judgeWork(consumed: Iterable<Entry>, produced: Iterable<Entry>): Verdict {
  const handled = new Set<number>();
  const settled = new Set<number>();
  let repeats = 0;
  let consumers = 0;
  for (const { event, value } of consumed) {
    if (event === Event.begun) consumers += 1;
    else if (event === Event.settled) settled.add(value);
    else if (event === Event.handled) {
      if (settled.has(value)) throw new Error(`${name(value)} came again after it had been acknowledged`);
      if (handled.has(value)) repeats += 1;
      handled.add(value);
    }
  }
  const lives = new Set<number>();
  for (const { event, value } of produced) {
    if (event !== Event.committed) continue;
    lives.add(unpackKey(value).life);
    if (!handled.has(value)) throw new Error(`${name(value)} was committed, but never handled`);
  }
  return { messages: handled.size, repeats, producers: lives.size, consumers };
}

/** The last number that each life has committed for sure. */
function lastCommitted(produced: Iterable<Entry>): Map<number, number> {
  const committed = new Map<number, number>();
  for (const { event, value } of produced) {
    if (event !== Event.committed) continue;
    const { life, number } = unpackKey(value);
    committed.set(life, number);
  }
  return committed;
}

function name(packed: number | undefined): string {
  const { life, number } = unpackKey(packed as number);
  return `message ${number} of producer ${life}`;
}
