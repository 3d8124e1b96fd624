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

/** Replaces `expected` by `value`; returns whether it did. */
export function compareAndSet(words: Int32Array, index: number, expected: number, value: number): boolean {
  return Atomics.compareExchange(words, index, expected, value) === expected;
}

const never = new Int32Array(new SharedArrayBuffer(4));

/** Puts this thread to sleep; for the rare lock that must be waited for, never for a message. */
export function sleepSync(ms: number): void {
  Atomics.wait(never, 0, 0, ms);
}
