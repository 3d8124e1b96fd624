import { memory } from '@memlane/core';
import { MemlaneError, throwArgument } from '@memlane/linux';
import { NAMED_CURSOR } from './named-cursor-descriptor.ts';

const { load, store } = memory;
const { fields } = NAMED_CURSOR;
const NAME_BYTES = fields.nameBytes.offset >> 2;
const RETENTION = fields.retention.offset >> 2;
const MAX_NAME_BYTES = 64;

/**
 * What a lossless ring keeps for a named cursor while nobody owns it: everything, which holds the producers up when the
 * ring is full; nothing; or what was written since, up to so many bytes.
 */
export type Retention = 'everything' | 'nothing' | number;

/** The number in the file that says so. */
const CODES = { nothing: 0, bytes: 1, everything: 2 } as const;

/** Most bytes that a cursor without an owner may be behind. */
export function keptBytes(retention: Retention): number {
  if (retention === 'everything') return Number.POSITIVE_INFINITY;
  return retention === 'nothing' ? 0 : retention;
}

/** @throws ERR_MEMLANE_ARGUMENT unless it can be a name and a retention. */
export function checkNaming(name: unknown, retain: unknown): void {
  // Half of a surrogate pair is stored as another character, and would not be found again.
  const isText = typeof name === 'string' && Buffer.from(name).toString() === name;
  if (!isText || name === '' || Buffer.byteLength(name) > MAX_NAME_BYTES)
    throwArgument('name', name, `a text of 1 to ${MAX_NAME_BYTES} bytes of UTF-8`);
  if (retain !== 'everything' && retain !== 'nothing' && !(Number.isSafeInteger(retain) && (retain as number) > 0))
    throwArgument('retain', retain, "'everything', 'nothing' or a number of bytes, 1 or more");
}

/** The names of the consumers' places of one ring. Changed only by whoever has the attach lock. */
export class NamedCursors {
  readonly #words: Int32Array;
  readonly #offset: number;
  readonly #count: number;

  constructor(words: Int32Array, offset: number, count: number) {
    this.#words = words;
    this.#offset = offset;
    this.#count = count;
  }

  /** The name of a place; undefined when it has none. @throws ERR_MEMLANE_CORRUPT */
  nameOf(consumer: number): string | undefined {
    const length = load(this.#words, this.#base(consumer) + NAME_BYTES);
    if (length === 0) return undefined;
    if (length >>> 0 > MAX_NAME_BYTES) throw corrupt('nameBytes', length);
    const bytes = new Uint8Array(this.#words.buffer, this.#base(consumer) * 4 + fields.name.offset, length);
    return Buffer.from(bytes).toString();
  }

  /** The place of that name; -1 when there is none. */
  find(name: string): number {
    for (let consumer = 0; consumer < this.#count; consumer++) if (this.nameOf(consumer) === name) return consumer;
    return -1;
  }

  /** The places that a consumer of that name may take: that of the name, or those of nobody's. */
  candidates(name: string | undefined): number[] {
    const owned = name === undefined ? -1 : this.find(name);
    if (owned >= 0) return [owned];
    const all = Array.from({ length: this.#count }, (_, consumer) => consumer);
    return all.filter((consumer) => this.nameOf(consumer) === undefined);
  }

  retentionOf(consumer: number): Retention {
    if (this.nameOf(consumer) === undefined) return 'nothing';
    const code = load(this.#words, this.#base(consumer) + RETENTION);
    if (code === CODES.everything) return 'everything';
    if (code === CODES.nothing) return 'nothing';
    if (code !== CODES.bytes) throw corrupt('retention', code);
    return this.#keptBytes(consumer)[0];
  }

  /** Names a place, or changes what is kept for it. */
  set(consumer: number, name: string, retention: Retention): void {
    const base = this.#base(consumer);
    const bytes = Buffer.from(name);
    const code = typeof retention === 'number' ? CODES.bytes : CODES[retention];
    // What counts until the store of the code stays as it is: a death in between would leave what nobody has said.
    if (typeof retention === 'number') this.#keptBytes(consumer)[0] = retention;
    store(this.#words, base + RETENTION, code);
    if (this.nameOf(consumer) === name) return;
    new Uint8Array(this.#words.buffer, base * 4 + fields.name.offset, bytes.length).set(bytes);
    // pairs with: load in nameOf. without it: half of a name could be read.
    store(this.#words, base + NAME_BYTES, bytes.length);
  }

  clear(consumer: number): void {
    store(this.#words, this.#base(consumer) + NAME_BYTES, 0);
  }

  #base(consumer: number): number {
    return (this.#offset + consumer * NAMED_CURSOR.bytes) >> 2;
  }

  #keptBytes(consumer: number): Float64Array {
    return new Float64Array(this.#words.buffer, this.#base(consumer) * 4 + fields.keptBytes.offset, 1);
  }
}

function corrupt(field: string, value: number): MemlaneError {
  return new MemlaneError('ERR_MEMLANE_CORRUPT', `${field} is ${value}`, { field });
}
