import { type SharedReference, Slab } from '@memlane/slab';
import { CHUNK, SHARE, SIZE_CLASS, SLAB_WORDS, slabGeometry, TICKET } from '@memlane/slab/layout';
import { layOut, nameWords, openModelFile, racy } from './cell-bed.ts';
import * as memory from './memory.ts';
import { wordNames } from './memory.ts';
import { place, type Store } from './places.ts';

/*
 * A slab as the shipped code sees it, over words that the explorer keeps: with one chunk, which all want, four places, and two
 * references. What it has instead of a file is here: where the words are, and nothing that decides anything.
 */

const SLOTS = ['slot 0', 'slot 1', 'slot 2', 'slot 3'];
const REFERENCES = 2;
const scale = { participants: SLOTS.length, references: REFERENCES, maxBytes: 65_536 };
const whole = slabGeometry(scale, 4096);
const [first] = whole.classes;
if (first === undefined) throw new Error('There is no size class');
const sizeClass = { ...first, most: 1 };
const geometry = { ...whole, classes: [sizeClass] };
/** The record of the chunk, and behind it what the actors tell each other. */
const RECORD = geometry.headLength >> 2;
const MAIL = (geometry.headLength + geometry.recordBytes) >> 2;
const CHUNKS = (geometry.classesOffset + SIZE_CLASS.fields.chunks.offset) >> 2;
const MAP = sizeClass.bitmapOffset >> 2;
const RESERVED = (geometry.wordsOffset + SLAB_WORDS.fields.reservedPages.offset) >> 2;

layOut(geometry.slotsOffset, SLOTS);
for (const [slot, name] of SLOTS.entries())
  nameWords(geometry.sharesOffset + slot * SHARE.bytes, SHARE.fields, `${name} share`);
nameWords(geometry.headLength, CHUNK.fields, 'chunk');
wordNames[RECORD + (CHUNK.bytes >> 2)] = 'chunk.holders';
for (let ticket = 0; ticket < REFERENCES; ticket++)
  nameWords(geometry.headLength + geometry.ticketsOffset + ticket * TICKET.bytes, TICKET.fields, `ticket ${ticket}`);
wordNames[CHUNKS] = 'chunks';
wordNames[MAP] = 'map';
wordNames[RESERVED] = 'reserved pages';
wordNames[geometry.sleepersOffset >> 2] = 'sleepers';
for (let letter = 0; letter < 1; letter++) wordNames[MAIL + letter] = `mail ${letter}`;

/** Who finds no room looks for the dead once, not depending on how long the search takes. */
performance.now = () => 0;

/** The slab before anybody has taken a place: the chunk is free. */
export function prepareSlab(store: Store): void {
  store[place('chunks')] = 1;
  store[place('map')] = 1;
}

/** The slab, opened by the actor that runs: private objects of its own over the shared words. */
export function openModelSlab(): Slab {
  const { slotsOffset, sleepersOffset } = geometry;
  const { region, table, words } = openModelFile(slotsOffset, SLOTS.length, geometry.headLength, { sleepersOffset });
  const span = { words, buffer: words.buffer, faults: undefined };
  const model = {
    scale,
    geometry,
    words,
    pageSize: 4096,
    has: (chunk: number) => chunk === 0,
    at: () => ({ ...span, record: RECORD, offset: 0 }),
    chunkBytesOf: () => sizeClass.chunkBytes,
    forEach: (visit: (chunk: number, words: Int32Array, record: number) => void) => visit(0, words, RECORD),
    chunksOf: () => memory.load(words, CHUNKS),
    spanOf: () => span,
    recordOf: () => RECORD,
    markFree: () => memory.setBits(words, MAP, 1),
    markTaken: () => memory.clearBits(words, MAP, 1),
    freeOf: () => memory.load(words, MAP),
    close: () => {},
  };
  return new Slab({ region, table, memory: model, tag: 0 } as never);
}

const LENGTH = 8;
export const BUFFER_BYTES: number = LENGTH;
const IS_THERE = 1 << 30;
const TICKET_BITS = 16;

/** Tells the others a reference. */
export function post(letter: number, { generation, ticket }: SharedReference): void {
  racy.store(MAIL + letter, IS_THERE | (generation << TICKET_BITS) | ticket);
}

/** The generation that the record says, as a step: others may do anything before it. */
export function generationNow(): number {
  return racy.load(RECORD + (CHUNK.fields.generation.offset >> 2));
}

/** A reference that somebody has told; undefined when nobody has yet. */
export function receive(letter: number): SharedReference | undefined {
  const word = racy.load(MAIL + letter);
  if (word === 0) return undefined;
  const generation = (word & ~IS_THERE) >> TICKET_BITS;
  return { slab: 0, chunk: 0, length: LENGTH, generation, ticket: word & ((1 << TICKET_BITS) - 1) };
}

/** What the record and the map say. */
export function chunkOf(store: Store): {
  status: number;
  generation: number;
  isFindable: boolean;
  isNamed: boolean;
  uses: number;
} {
  const word = (name: string): number => store[place(name)] as number;
  const tickets = Array.from({ length: REFERENCES }, (_, ticket) => word(`ticket ${ticket}.state`) & 3);
  return {
    status: word('chunk.state') & 3,
    generation: word('chunk.generation'),
    isFindable: word('map') === 1,
    uses: word('slot 1 share.uses'),
    isNamed: word('chunk.holders') !== 0 || tickets.some((status) => status !== 0),
  };
}
