import type { Handler } from 'memlane';

/*
 * Messages of many producers' lives, one after the other, that can be recognised: message n of a life.
 */

const LIFE_SHIFT = 20;

/** The words of a message; the first is its type. */
export function wordsOf(life: number, n: number): Int32Array {
  const type = (life << LIFE_SHIFT) | n;
  return Int32Array.from({ length: 1 + (Math.imul(n, 0x9e3779b1) >>> 24) / 2 }, (_, word) => type ^ (word << 8));
}

/** Checks that what is read is one message after the other, of one life after the other, whichever it begins with. */
export class Succession {
  #last: number | undefined;
  messages = 0;

  readonly handler: Handler = (view, offset, length, type) => {
    const [life, n] = [type >> LIFE_SHIFT, type & ((1 << LIFE_SHIFT) - 1)];
    const words = wordsOf(life, n);
    if (length !== words.byteLength) throw new Error(`message ${type} has ${length} bytes`);
    if (words.some((word, at) => view.i32[(offset >> 2) + at] !== word)) throw new Error(`message ${type} is torn`);
    const last = this.#last;
    const isNext = type === (last ?? 0) + 1 || (n === 0 && life > (last ?? 0) >> LIFE_SHIFT);
    if (last !== undefined && !isNext) throw new Error(`message ${type} came after ${last}`);
    this.#last = type;
    this.messages += 1;
  };
}
