/*
 * The named memory operations. Nothing else in memlane says `Atomics` (a lint rule holds the line), for three reasons:
 * every synchronizing access can be found by name; the interleaving explorer replaces this one module to make each
 * operation a scheduling point; and an engine where a cheaper instruction is enough would be served in one place.
 *
 * All of them are sequentially consistent, which JavaScript makes of every operation in Atomics. The parking protocol
 * needs exactly that (a store, then a load of another word, not to be reordered); publishing would do with
 * acquire/release. docs/memory-model.md lists every pair.
 */

/** Loads a shared word. Never a plain `words[index]` in its place: V8 removes repeated plain loads. */
export function load(words: Int32Array, index: number): number {
  return Atomics.load(words, index);
}

/** Stores a shared word: everything written before is visible to whoever loads this value. */
export function store(words: Int32Array, index: number, value: number): void {
  Atomics.store(words, index, value);
}

/** Adds to a shared word and returns what was there before. */
export function getAndAdd(words: Int32Array, index: number, delta: number): number {
  return Atomics.add(words, index, delta);
}

/** Sets bits of a shared word. */
export function setBits(words: Int32Array, index: number, bits: number): void {
  Atomics.or(words, index, bits);
}

/** Clears bits of a shared word. */
export function clearBits(words: Int32Array, index: number, bits: number): void {
  Atomics.and(words, index, ~bits);
}

/** Replaces `expected` by `value`; returns whether it did. */
export function compareAndSet(words: Int32Array, index: number, expected: number, value: number): boolean {
  return Atomics.compareExchange(words, index, expected, value) === expected;
}

/** A word of this thread's own, on a line of its own. */
const fenceWords = new Int32Array(new SharedArrayBuffer(256));
const FENCE_WORD = 32;

/**
 * A full fence: every access before it, plain ones included, is over before any access after it begins. For the pairs in
 * which a plain access stands between two synchronizing ones: a store in Atomics holds back only what comes before it, a
 * load only what comes after it, so what follows the store may still pass it (on arm64 it does).
 *
 * A store followed by a load, not one exchange: an exchange is ordered with what precedes by its store and with what follows
 * by its load, and on arm64 a later load may come between the two.
 */
export function fence(): void {
  Atomics.store(fenceWords, FENCE_WORD, 0);
  Atomics.load(fenceWords, FENCE_WORD);
}

/** The processor's own hint, where the engine has it (V8 13.3, Node 24 and later). */
const nativePause = (Atomics as { pause?: (hint?: number) => void }).pause;
const PAUSE_STEPS = 16;
let pauseResult = 1;

/**
 * Lets a few dozen cycles pass between two looks at a word that a peer is about to write. Looking without a pause takes
 * the cache line away from the writer as often as it can be taken, and every publish pays for getting it back.
 */
export function pause(): void {
  if (nativePause !== undefined) {
    nativePause();
    return;
  }
  // A chain of multiplications, kept in a variable of the module so that it is not optimised away.
  let result = pauseResult;
  for (let step = 0; step < PAUSE_STEPS; step++) result = (Math.imul(result, 1103515245) + step) | 0;
  pauseResult = result;
}

const never = new Int32Array(new SharedArrayBuffer(4));

/** Puts this thread to sleep; for the rare lock that must be waited for, never for a message. */
export function sleepSync(ms: number): void {
  Atomics.wait(never, 0, 0, ms);
}
