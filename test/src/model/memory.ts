import { nameOf, place, type Store } from './places.ts';
import { type Access, call, run } from './run.ts';

/*
 * What the module hook puts in the place of packages/core/src/memory.ts: every operation is a step. The words that the
 * caller passes are a stand-in; only the index counts.
 */

/** Names of the words of the head, by index; set by the bed. */
export const wordNames: string[] = [];
const wordPlaces: number[] = [];

function placeOf(index: number): number {
  wordPlaces[index] ??= place(wordNames[index] ?? `word ${index}`);
  return wordPlaces[index];
}

function touch(
  access: Access,
  at: number,
  value: number | string,
  mute: boolean,
  apply: (store: Store) => number,
): number {
  return run().next(access, at, () => ({
    label: `${access} ${nameOf(at)}${value === '' ? '' : ` ${value}`}`,
    mute,
    choices: 1,
    touches: () => [at],
    apply,
  }));
}

export function load(_words: Int32Array, index: number): number {
  const at = placeOf(index);
  return touch('load', at, '', false, (store) => store[at] as number);
}

export function store(_words: Int32Array, index: number, value: number): void {
  const at = placeOf(index);
  touch('store', at, value, true, (words) => {
    words[at] = value;
    return 0;
  });
}

export function getAndAdd(_words: Int32Array, index: number, delta: number): number {
  const at = placeOf(index);
  return touch('update', at, `+ ${delta}`, false, (words) => {
    const before = words[at] as number;
    words[at] = before + delta;
    return before;
  });
}

export function setBits(_words: Int32Array, index: number, bits: number): void {
  const at = placeOf(index);
  touch('update', at, `or ${bits}`, true, (words) => {
    (words[at] as number) |= bits;
    return 0;
  });
}

export function clearBits(_words: Int32Array, index: number, bits: number): void {
  const at = placeOf(index);
  touch('update', at, `without ${bits}`, true, (words) => {
    (words[at] as number) &= ~bits;
    return 0;
  });
}

export function compareAndSet(_words: Int32Array, index: number, expected: number, value: number): boolean {
  const at = placeOf(index);
  const swapped = touch('update', at, `${expected} to ${value}`, false, (words) => {
    if (words[at] !== expected) return 0;
    words[at] = value;
    return 1;
  });
  return swapped === 1;
}

/** Every step is in one order anyway: what a fence is for cannot be seen here. */
export function fence(): void {}

export function pause(): void {}

/** Ends when there is a reason to try again: the lock that could not be had last is free. */
export function sleepSync(_ms: number): void {
  const lock = run().contested;
  call(
    'pause',
    () => (lock >= 0 ? [lock] : []),
    (words) => (lock >= 0 && words[lock] !== 0 ? undefined : 0),
  );
}

/*
 * Loads and stores that are not in Atomics: of a record. Where its memory is not always there, `pages` is the word that says
 * so; whoever touches it then is noted.
 */

function trespass(words: Store, pages: number): void {
  if (pages >= 0 && words[pages] === 0) words[place('trespasses')] = 1;
}

function loadData(access: Access, at: number, pages: number): number {
  return touch(access, at, '', false, (words) => {
    trespass(words, pages);
    return words[at] as number;
  });
}

function storeData(access: Access, at: number, value: number, pages: number): void {
  touch(access, at, value, true, (words) => {
    trespass(words, pages);
    words[at] = value;
    return 0;
  });
}

export const loadPlain = (at: number, pages = -1): number => loadData('plain load', at, pages);
export const storePlain = (at: number, value: number, pages = -1): void => storeData('plain store', at, value, pages);

/** The same where it may race: of a record that is checked once it has been copied. */
export const loadRacy = (at: number, pages = -1): number => loadData('racy load', at, pages);
export const storeRacy = (at: number, value: number, pages = -1): void => storeData('racy store', at, value, pages);
