import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { attachSlab, createAnonymousSlab, type SharedBuffer, type SharedReference, type Slab } from 'memlane';
import { thrownBy } from '../support/speech.ts';

/*
 * Random sequences of everything that participants do with one slab, each with a Slab of its own, against a model that is no more
 * than a list of buffers: who holds each, and which references to it are under way.
 */

const MOST_PARTICIPANTS = 4;
const REFERENCES = 3;

interface UnderWay {
  readonly reference: SharedReference;
  readonly way: 'lent' | 'sent' | 'carried';
  /** Who has to be there for it to be good; nobody for one that a message carries. */
  readonly holder: number;
}

interface ModelBuffer {
  readonly seed: number;
  readonly chunk: number;
  readonly length: number;
  readonly holds: { readonly who: number; readonly buffer: SharedBuffer }[];
  underWay: UnderWay[];
}

interface Move {
  readonly what: string;
  readonly who: number;
  readonly which: number;
  readonly to: number;
  readonly length: number;
}

/** Lengths about the borders of all classes, up to 4 MiB. */
const length = fc
  .tuple(fc.integer({ min: 0, max: 16 }), fc.constantFrom(0, 1, 0.5))
  .map(([sizeClass, part]) => (part === 0.5 ? Math.floor(48 * 2 ** sizeClass) : 64 * 2 ** sizeClass + part));

const move: fc.Arbitrary<Move> = fc.record({
  what: fc.constantFrom(
    ...['acquire', 'acquire', 'acquire', 'lend', 'send', 'consign', 'take', 'take', 'take', 'settle'],
    ...['release', 'release', 'release', 'stale', 'leave', 'trim', 'sweep'],
  ),
  who: fc.nat(MOST_PARTICIPANTS - 1),
  which: fc.nat(1000),
  to: fc.nat(MOST_PARTICIPANTS - 1),
  length,
});

class Participants {
  readonly #creator: Slab;
  readonly #slabs: Slab[] = [];
  readonly #buffers = new Set<ModelBuffer>();
  readonly #used: SharedReference[] = [];
  readonly #maxBytes: number;
  #seed = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#creator = createAnonymousSlab({ maxBytes, participants: MOST_PARTICIPANTS, references: REFERENCES });
    for (let who = 0; who < MOST_PARTICIPANTS; who++) this.#open(who);
  }

  #open(who: number): void {
    this.#slabs[who] = attachSlab(this.#creator.descriptor());
    void this.#slabs[who].slot;
  }

  #at(who: number): Slab {
    return this.#slabs[who] as Slab;
  }

  make({ what, who, which, to, length }: Move): void {
    const slab = this.#at(who);
    const held = [...this.#buffers].flatMap((of) =>
      of.holds.filter((hold) => hold.who === who).map((hold) => ({ of, hold })),
    );
    const mine = held[which % held.length];
    const underWay = [...this.#buffers].flatMap((of) => of.underWay.map((each) => ({ of, each })));
    const sent = underWay[which % underWay.length];
    if (what === 'acquire') this.#acquire(who, length);
    if (what === 'release' && mine !== undefined) {
      mine.of.holds.splice(mine.of.holds.indexOf(mine.hold), 1);
      mine.hold.buffer.release();
      this.#forget(mine.of);
    }
    if ((what === 'lend' || what === 'send' || what === 'consign') && mine !== undefined) {
      const share = (): SharedReference => {
        if (what === 'consign') return mine.hold.buffer.consign({ carrier: 1, lane: who, position: this.#seed });
        return mine.hold.buffer.share(what === 'send' ? { to: this.#at(to).slot } : {});
      };
      if (mine.of.underWay.length === REFERENCES) expect(thrownBy(share)?.code).toBe('ERR_MEMLANE_BUSY');
      else {
        const way = what === 'lend' ? 'lent' : what === 'send' ? 'sent' : 'carried';
        mine.of.underWay.push({ reference: share(), way, holder: way === 'lent' ? who : way === 'sent' ? to : -1 });
      }
    }
    if (what === 'take' && sent !== undefined) {
      const buffer = slab.take(sent.each.reference);
      sent.of.holds.push({ who, buffer });
      if (sent.each.way !== 'carried') this.#end(sent.of, sent.each);
      this.#check(sent.of);
    }
    if (what === 'settle' && sent !== undefined) {
      slab.settle(sent.each.reference);
      this.#end(sent.of, sent.each);
      this.#forget(sent.of);
    }
    const used = this.#used[which % this.#used.length];
    if (what === 'stale' && used !== undefined) {
      expect(thrownBy(() => slab.take(used))?.code).toBe('ERR_MEMLANE_STALE');
      slab.settle(used); // does nothing
    }
    if (what === 'leave') this.#leave(who);
    if (what === 'trim') slab.trim();
    if (what === 'sweep') expect(slab.sweep()).toBe(0);
  }

  #acquire(who: number, length: number): void {
    const slab = this.#at(who);
    if (length > slab.maxLength) {
      expect(thrownBy(() => slab.tryAcquire(length))?.code).toBe('ERR_MEMLANE_ARGUMENT');
      return;
    }
    const buffer = slab.tryAcquire(length);
    if (buffer === null) return;
    expect(buffer.length).toBe(length);
    expect(buffer.data.length).toBe(length);
    for (const { chunk } of this.#buffers) expect(buffer.chunk).not.toBe(chunk);
    this.#seed += 1;
    const made = { seed: this.#seed, chunk: buffer.chunk, length, holds: [{ who, buffer }], underWay: [] };
    this.#buffers.add(made);
    for (const at of marks(length)) buffer.data[at] = (this.#seed + at) & 0xff;
  }

  #leave(who: number): void {
    this.#at(who).close();
    for (const of of this.#buffers) {
      for (const { buffer } of of.holds.filter((hold) => hold.who === who)) {
        expect(thrownBy(() => buffer.data)?.code).toBe('ERR_MEMLANE_CLOSED');
        buffer.release();
      }
      const left = of.holds.filter((hold) => hold.who !== who);
      of.holds.splice(0, of.holds.length, ...left);
      for (const each of of.underWay.filter(({ holder }) => holder === who)) this.#end(of, each);
      this.#forget(of);
    }
    this.#open(who);
  }

  #end(of: ModelBuffer, ended: UnderWay): void {
    of.underWay = of.underWay.filter((each) => each !== ended);
    this.#used.push(ended.reference);
  }

  #forget(of: ModelBuffer): void {
    if (of.holds.length === 0 && of.underWay.length === 0) this.#buffers.delete(of);
  }

  #check({ holds, seed, length }: ModelBuffer): void {
    for (const { buffer } of holds) for (const at of marks(length)) expect(buffer.data[at]).toBe((seed + at) & 0xff);
  }

  /** What the model says is what the slab says. */
  judge(): void {
    const holders = new Map(this.#creator.holders().map((each) => [each.chunk, each]));
    expect(holders.size).toBe(this.#buffers.size);
    for (const of of this.#buffers) {
      this.#check(of);
      const slots = new Set(of.holds.map(({ who }) => this.#at(who).slot));
      expect(holders.get(of.chunk)).toMatchObject({ length: of.length, references: of.underWay.length });
      expect([...(holders.get(of.chunk)?.slots ?? [])].sort()).toEqual([...slots].sort());
    }
    const { used, reservedBytes, maxBytes } = this.#creator.statistics();
    expect(used).toBe(this.#buffers.size);
    expect(maxBytes).toBe(this.#maxBytes);
    expect(reservedBytes).toBeLessThanOrEqual(maxBytes);
  }

  end(): void {
    for (const of of this.#buffers) {
      for (const { buffer } of of.holds) buffer.release();
      for (const { reference } of of.underWay) this.#at(0).settle(reference);
    }
    expect(this.#creator.holders()).toEqual([]);
    // Nothing is lost: what was one large buffer at the beginning is one again, but for the rows of small ones.
    this.#at(0).trim();
    const { classes, reservedBytes } = this.#creator.statistics();
    const small = classes.filter(({ chunkBytes }) => chunkBytes < 65_536);
    const most = small.reduce((sum, { chunks, chunkBytes }) => sum + chunks * (chunkBytes + 128) + 4096, 0);
    const large = classes.reduce((sum, { chunks, chunkBytes }) => sum + (chunkBytes < 65_536 ? 0 : chunks), 0);
    expect(reservedBytes).toBeLessThanOrEqual(most + large * 4096);
    for (const slab of this.#slabs) slab.close();
    this.#creator.close();
  }
}

/** The bytes by which a buffer is known. */
function marks(length: number): number[] {
  return length === 0 ? [] : [0, length >> 1, length - 1];
}

test('whatever is done, nothing is lost, nothing is given twice, and what is gone is stale', () => {
  fc.assert(
    fc.property(fc.constantFrom(2 ** 18, 2 ** 20, 2 ** 24), fc.array(move, { maxLength: 120 }), (maxBytes, moves) => {
      const participants = new Participants(maxBytes);
      for (const each of moves) {
        participants.make(each);
        participants.judge();
      }
      participants.end();
    }),
    { numRuns: Number(process.env.MEMLANE_STORM ?? 2) * 30 },
  );
}, 300_000);
