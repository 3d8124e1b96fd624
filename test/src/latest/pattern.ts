/*
 * A value that tells its version in each of its words, and has a length of its own, so that one that is torn, stale or of
 * another length cannot look right.
 */

const MAX_WORDS = 500;

/** Longest value, in bytes. */
export const VALUE_BYTES: number = 4 * MAX_WORDS;

export function wordsOf(version: number): number {
  return 1 + ((Math.imul(version, 0x9e3779b1) >>> 16) % MAX_WORDS);
}

/** What is wrong with a value; undefined when nothing. */
export function fault(words: Int32Array, length: number, version: number): string | undefined {
  if (length !== 4 * wordsOf(version)) return `version ${version} has ${length} bytes`;
  for (let word = 0; word < length / 4; word++)
    if (words[word] !== version) return `word ${word} of version ${version} is ${words[word]}`;
  return undefined;
}
