import { memory } from '@memlane/core';
import { CHUNK, TICKET } from './slab-descriptor.ts';

/*
 * Who holds a chunk. Each participant has a bit in its record, each reference under way a ticket there; the chunk is free when
 * there is neither. A count would do with one word, but the death of a holder would leave it wrong for ever: bits and
 * tickets say whose they are, and can be taken back for the dead.
 *
 *   free -> being taken by s -> live <-> being looked at by s -> free
 *
 * Whoever gives up a hold looks whether it was the last one:
 *
 *   moves a hold                               another, who looks
 *   from a ticket to its bit:                  state: looked at by me
 *     set the bit                              load all bits, then all tickets   (B)
 *     stop whoever looks      (A)              none: compare-and-set looked at by me -> free
 *     free the ticket                          any: compare-and-set looked at by me -> live
 *   from its bit to a ticket:
 *     take the ticket
 *     clear the bit
 *
 * A hold may move while somebody looks. From a bit to a ticket: it is seen as the one or the other, as bits are looked at first.
 * From a ticket to a bit: that may have been seen before it was set, and the ticket after it was freed, so in between those
 * are stopped who began to look before that (A). Whoever begins later sees the bit. A look that was stopped ends without a result,
 * and need not be repeated: whoever stopped it has a hold, or looks itself. And as a state names who looks, nobody can take a
 * later look for its own, however long it was stopped; no version that could wrap is needed.
 *
 * A hold may be set by those only who have one, or who find the ticket still there after they have set their bit and stopped
 * whoever looks: then the ticket has kept the chunk until the bit could be seen, by whoever clears it. A bit that was set
 * too late may stand in the record of a chunk that is another buffer by now: it keeps that from being freed until it is taken
 * back, by a look like any other.
 *
 * Who may die where: each state that is half done names its slot; bits and tickets do. The next owner of the slot, or
 * whoever finds it dead, ends what is there by `recover`, before the slot can be anybody else's. Only of one who dies
 * between giving up the last hold and its look nothing is left to be found: so `recover` looks at every chunk that nobody
 * holds, whoever was the last to do so.
 */

const { clearBits, compareAndSet, load, setBits, store } = memory;

const STATE = CHUNK.fields.state.offset >> 2;
const GENERATION = CHUNK.fields.generation.offset >> 2;
const LENGTH = CHUNK.fields.length.offset >> 2;
const HOLDERS = CHUNK.bytes >> 2;
const TICKET_WORDS = TICKET.bytes >> 2;
const CARRIER = TICKET.fields.carrier.offset >> 2;
const LANE = TICKET.fields.lane.offset >> 2;
const POSITION = TICKET.fields.position.offset >> 2;

/** Low bits of the state of a chunk; the slot is above them. */
const ChunkState = { free: 0, taking: 1, live: 2, looking: 3 } as const;
/** Low bits of the state of a ticket. */
const TicketState = { free: 0, held: 1, carried: 2 } as const;
const STATUS_BITS = 3;
const SLOT_SHIFT = 2;
const SLOT_BITS = 0x3ff;
const TICKET_GENERATION_SHIFT = 12;
const TICKET_GENERATION_BITS = 0x7fff;

/** The message that carries a reference: the ring or queue, the lane there, and where in it the message ends. */
export interface Waybill {
  /** A number that all who use the slab with that ring or queue have agreed upon. */
  readonly carrier: number;
  readonly lane: number;
  readonly position: number;
}

/** One of the references to a chunk: the number of its ticket, and how many had that before. */
export interface TicketName {
  readonly ticket: number;
  readonly generation: number;
}

/** What the records of a slab consist of. */
export interface RecordLayout {
  readonly participants: number;
  readonly references: number;
  readonly ticketsOffset: number;
}

function ticketGenerationOf(state: number): number {
  return (state >>> TICKET_GENERATION_SHIFT) & TICKET_GENERATION_BITS;
}

function ticketState(generation: number, slot: number, status: number): number {
  return ((generation & TICKET_GENERATION_BITS) << TICKET_GENERATION_SHIFT) | (slot << SLOT_SHIFT) | status;
}

/** What one participant does with the records of chunks. A record is named by its words and the index of the first. */
export class ChunkRecords {
  readonly #me: number;
  readonly #bit: number;
  readonly #bitWord: number;
  readonly #maskWords: number;
  readonly #references: number;
  readonly #tickets: number;

  /** @param slot of the participant, or of the dead one that it recovers. */
  constructor({ participants, references, ticketsOffset }: RecordLayout, slot: number) {
    this.#me = slot << SLOT_SHIFT;
    this.#bit = 1 << (slot & 31);
    this.#bitWord = HOLDERS + (slot >> 5);
    this.#maskWords = Math.ceil(participants / 32);
    this.#references = references;
    this.#tickets = ticketsOffset >> 2;
  }

  /** Takes a chunk if it is free; {@link finish} or {@link cancel} comes next. */
  begin(words: Int32Array, record: number): boolean {
    return compareAndSet(words, record + STATE, ChunkState.free, this.#me | ChunkState.taking);
  }

  /** Makes a chunk that was taken a buffer, which this participant holds. */
  finish(words: Int32Array, record: number, length: number): void {
    store(words, record + GENERATION, load(words, record + GENERATION) + 1);
    store(words, record + LENGTH, length);
    setBits(words, record + this.#bitWord, this.#bit);
    store(words, record + STATE, ChunkState.live);
  }

  /** Gives a chunk back that was taken and not finished. */
  cancel(words: Int32Array, record: number): void {
    store(words, record + STATE, ChunkState.free);
  }

  isFree(words: Int32Array, record: number): boolean {
    return load(words, record + STATE) === ChunkState.free;
  }

  generationOf(words: Int32Array, record: number): number {
    return load(words, record + GENERATION);
  }

  lengthOf(words: Int32Array, record: number): number {
    return load(words, record + LENGTH);
  }

  /** Slots of all who hold a chunk. Allocates. */
  slotsOf(words: Int32Array, record: number): number[] {
    const slots: number[] = [];
    for (let word = 0; word < this.#maskWords; word++) {
      const bits = load(words, record + HOLDERS + word);
      for (let bit = 0; bit < 32; bit++) if ((bits & (1 << bit)) !== 0) slots.push(word * 32 + bit);
    }
    return slots;
  }

  /** How many references to a chunk are under way. */
  countReferences(words: Int32Array, record: number): number {
    let count = 0;
    for (let ticket = 0; ticket < this.#references; ticket++)
      if ((load(words, this.#ticketAt(record, ticket)) & STATUS_BITS) !== TicketState.free) count += 1;
    return count;
  }

  /** Gives up the hold of this participant; returns whether the chunk is free by that. */
  release(words: Int32Array, record: number): boolean {
    clearBits(words, record + this.#bitWord, this.#bit);
    return this.#look(words, record);
  }

  /**
   * Takes a ticket for a reference to a chunk that this participant holds, in the name of a slot; returns its number, or -1
   * when all are taken.
   */
  issue(words: Int32Array, record: number, slot: number): number {
    for (let ticket = 0; ticket < this.#references; ticket++) {
      const at = this.#ticketAt(record, ticket);
      const state = load(words, at);
      if ((state & STATUS_BITS) !== TicketState.free) continue;
      const held = ticketState(ticketGenerationOf(state) + 1, slot, TicketState.held);
      if (compareAndSet(words, at, state, held)) return ticket;
    }
    return -1;
  }

  /** Says which message carries the reference, in whose name it is held from here on. Before the message is published. */
  consign(words: Int32Array, record: number, ticket: number, { carrier, lane, position }: Waybill): void {
    const at = this.#ticketAt(record, ticket);
    store(words, at + CARRIER, carrier);
    store(words, at + LANE, lane);
    store(words, at + POSITION, position);
    const generation = ticketGenerationOf(load(words, at));
    store(words, at, ticketState(generation, 0, TicketState.carried));
  }

  /** Generation of a ticket, for its reference. */
  ticketGenerationOf(words: Int32Array, record: number, ticket: number): number {
    return ticketGenerationOf(load(words, this.#ticketAt(record, ticket)));
  }

  /** The slot for which a ticket is held; -1 when it is held for none. */
  holderOf(words: Int32Array, record: number, ticket: number): number {
    const state = load(words, this.#ticketAt(record, ticket));
    return (state & STATUS_BITS) === TicketState.held ? (state >>> SLOT_SHIFT) & SLOT_BITS : -1;
  }

  /** The message that carries a ticket's reference; undefined when none does. */
  waybillOf(words: Int32Array, record: number, ticket: number): Waybill | undefined {
    const at = this.#ticketAt(record, ticket);
    const state = load(words, at);
    if ((state & STATUS_BITS) !== TicketState.carried) return undefined;
    const waybill = {
      carrier: load(words, at + CARRIER),
      lane: load(words, at + LANE),
      position: load(words, at + POSITION),
    };
    return load(words, at) === state ? waybill : undefined;
  }

  /**
   * Has this participant hold the chunk that a reference names, unless the reference is stale; returns whether it does. A
   * ticket that no message carries is used up by that. The chunk may be free when it does not: see {@link tidy}.
   *
   * @param isHeld whether this participant holds it already.
   */
  accept(words: Int32Array, record: number, isHeld: boolean, generation: number, named: TicketName): boolean {
    const at = this.#ticketAt(record, named.ticket);
    const state = load(words, at);
    if (!isOf(state, named.generation) || load(words, record + GENERATION) !== generation) return false;
    setBits(words, record + this.#bitWord, this.#bit);
    if ((state & STATUS_BITS) === TicketState.held) {
      if (this.#use(words, record, at, state)) return true;
    } else {
      this.#stopLooks(words, record);
      // Still there, now that the bit can be seen: so the chunk has been held all the time.
      if (load(words, at) === state) return true;
    }
    if (!isHeld) clearBits(words, record + this.#bitWord, this.#bit);
    return false;
  }

  /** After an {@link accept} in vain, whose bit may have kept another from finding the chunk free; returns whether it is. */
  tidy(words: Int32Array, record: number): boolean {
    return this.#look(words, record);
  }

  /** Ends a reference under way, unless it has been ended already; returns whether the chunk is free by that. */
  settle(words: Int32Array, record: number, { ticket, generation }: TicketName): boolean {
    const at = this.#ticketAt(record, ticket);
    const state = load(words, at);
    if (!isOf(state, generation)) return false;
    this.#use(words, record, at, state);
    // Also when another has ended it first: its look may be the one that was stopped here.
    return this.#look(words, record);
  }

  /** Ends everything that names this slot, whose owner is dead or leaves; returns whether the chunk is free by that. */
  recover(words: Int32Array, record: number): boolean {
    const state = load(words, record + STATE);
    if ((load(words, record + this.#bitWord) & this.#bit) !== 0) clearBits(words, record + this.#bitWord, this.#bit);
    for (let ticket = 0; ticket < this.#references; ticket++) {
      const at = this.#ticketAt(record, ticket);
      const held = load(words, at);
      const isMine = (held & STATUS_BITS) === TicketState.held && (held & (SLOT_BITS << SLOT_SHIFT)) === this.#me;
      if (isMine) this.#use(words, record, at, held);
    }
    if (state === (this.#me | ChunkState.taking)) {
      this.cancel(words, record);
      return true;
    }
    // Whoever holds it looks itself, later. Not only after something was ended here: see above.
    return !this.#isHeld(words, record) && this.#look(words, record);
  }

  #ticketAt(record: number, ticket: number): number {
    return record + this.#tickets + ticket * TICKET_WORDS;
  }

  /** Frees a ticket, unless it is another's by now. As looks are stopped, the caller looks or has a hold, either way. */
  #use(words: Int32Array, record: number, at: number, state: number): boolean {
    this.#stopLooks(words, record);
    return compareAndSet(words, at, state, ticketState(ticketGenerationOf(state), 0, TicketState.free));
  }

  /** See (A) above. */
  #stopLooks(words: Int32Array, record: number): void {
    const state = load(words, record + STATE);
    // pairs with: the look in #look, (B). without it: a hold that moves meanwhile is seen nowhere, and the chunk freed.
    if ((state & STATUS_BITS) === ChunkState.looking) compareAndSet(words, record + STATE, state, ChunkState.live);
  }

  /** Looks whether nobody holds the chunk any more; returns whether it is free by that. */
  #look(words: Int32Array, record: number): boolean {
    const mine = this.#me | ChunkState.looking;
    for (;;) {
      const state = load(words, record + STATE);
      const status = state & STATUS_BITS;
      if (status === ChunkState.free || status === ChunkState.taking) return false;
      // Whoever looks already may have seen what is no more: it is stopped, and has nothing left to do.
      if (compareAndSet(words, record + STATE, state, mine)) break;
    }
    const next = this.#isHeld(words, record) ? ChunkState.live : ChunkState.free;
    return compareAndSet(words, record + STATE, mine, next) && next === ChunkState.free;
  }

  #isHeld(words: Int32Array, record: number): boolean {
    // Bits before tickets: see (B).
    for (let word = 0; word < this.#maskWords; word++) if (load(words, record + HOLDERS + word) !== 0) return true;
    for (let ticket = 0; ticket < this.#references; ticket++)
      if ((load(words, this.#ticketAt(record, ticket)) & STATUS_BITS) !== TicketState.free) return true;
    return false;
  }
}

/** Whether a ticket is that of a reference of that generation, and not used up. */
function isOf(state: number, generation: number): boolean {
  return (state & STATUS_BITS) !== TicketState.free && ticketGenerationOf(state) === generation;
}
