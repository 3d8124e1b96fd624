import * as memory from './memory.ts';
import type { SlotRow, SlotTable } from './participants.ts';
import { Peer } from './peer.ts';

const { load } = memory; // a constant of this module: see parking.ts

/** A word of the mask of sleepers, as far as it concerns an audience. */
interface MaskWord {
  readonly index: number;
  /** Those of its bits that are the audience's. */
  bits: number;
  /** Peer whose bit is the lowest of the word; negative when that is none of the audience. */
  readonly firstPeer: number;
}

/** The peers in a row of slots, as somebody sees them who stores what any of them may wait for. */
export class Audience {
  readonly peers: readonly Peer[];
  readonly #words: Int32Array;
  readonly #mask: readonly MaskWord[];
  /** The peer, where there is but one: most audiences are of one, and are looked at after each message. */
  readonly #only: Peer | undefined;
  /** The bit of the peer that was rung last: the search for the next goes on below it, so that each has its turn. */
  #turn = 0;

  constructor(table: SlotTable, { first, count }: SlotRow) {
    this.#words = table.words;
    this.peers = Array.from({ length: count }, (_, index) => new Peer(table, first + index));
    const mask = new Map<number, MaskWord>();
    for (let slot = first; slot < first + count; slot++) {
      const place = table.sleeperBit(slot);
      if (place === undefined) continue;
      const { index, bit } = place;
      const word = mask.get(index) ?? { index, bits: 0, firstPeer: (slot & ~31) - first };
      word.bits |= bit;
      mask.set(index, word);
    }
    this.#mask = [...mask.values()];
    if (count === 1) this.#only = this.peers[0];
  }

  /**
   * Rings all who sleep and have not been rung for that; returns how many. Call after every publish: costs one load for a
   * single peer, otherwise one for each 32.
   */
  wakeAll(): number {
    if (this.#only !== undefined) return this.#only.wakeIfParked() ? 1 : 0;
    return this.wakeSome(this.peers.length);
  }

  /** As {@link wakeAll}, but rings at the most `most` of them, each in its turn. */
  wakeSome(most: number): number {
    let woken = 0;
    if (this.#mask.length === 0) for (const peer of this.peers) if (woken < most && peer.wakeIfParked()) woken += 1;
    for (let at = 0; at < this.#mask.length; at++) {
      const { index, bits, firstPeer } = this.#mask[at];
      // pairs with: setBits in ParkingSpot.enter, (B'). without it: the last message before the sleep wakes nobody.
      const asleep = load(this.#words, index) & bits;
      if (asleep !== 0 && woken < most) woken += this.#ring(asleep, firstPeer, most - woken);
    }
    return woken;
  }

  #ring(asleep: number, firstPeer: number, most: number): number {
    let woken = 0;
    const below = this.#turn - 1;
    for (let bits of [asleep & below, asleep & ~below])
      while (bits !== 0 && woken < most) {
        const bit = 31 - Math.clz32(bits);
        bits &= ~(1 << bit);
        if (!this.peers[firstPeer + bit].wakeIfParked()) continue;
        this.#turn = 1 << bit;
        woken += 1;
      }
    return woken;
  }

  /** Whether any of the peers is alive. A system call for each until one is. */
  isAnybodyAlive(): boolean {
    return this.peers.some((peer) => peer.isAlive());
  }

  close(): void {
    for (const peer of this.peers) peer.close();
  }
}
