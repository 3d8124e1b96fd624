/*
 * Everything that actors share, the kernel's part of it included, is one array of 32-bit words; a word is found by its
 * name. Two states of the world are the same exactly when these words are the same and every actor has seen the same.
 */
export type Store = Int32Array;

/** Most words of any scenario. */
export const CAPACITY = 224;
/** Most words of this one: what a state costs to copy and to compare. */
let size = 112;
const names: string[] = [];
const indexes = new Map<string, number>();

/** Where the word of that name is. It begins as 0. */
export function place(name: string): number {
  let index = indexes.get(name);
  if (index === undefined) {
    index = names.length;
    if (index === size) throw new Error(`The scenario needs more than ${size} words`);
    names.push(name);
    indexes.set(name, index);
  }
  return index;
}

export function nameOf(index: number): string {
  return names[index] as string;
}

/** All words whose names begin so. */
export function placesOf(prefix: string): number[] {
  return names.flatMap((name, index) => (name.startsWith(prefix) ? [index] : []));
}

/** For a scenario that needs more words. */
export function enlarge(words: number): void {
  if (words > CAPACITY) throw new Error(`No scenario may have more than ${CAPACITY} words`);
  size = words;
}

export function emptyStore(): Store {
  return new Int32Array(size);
}
