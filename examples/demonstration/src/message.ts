// The messages of all acts but the first: 64 bytes, eight doubles, none of which occurs in another message. So whatever
// is lost, doubled, torn or out of place is noticed, by reading every byte.

export const MESSAGE_BYTES = 64;

/** Writes message `number` at an index of the array. */
export function fill(f64: Float64Array | number[], at: number, number: number): void {
  const first = number * 8;
  f64[at] = first;
  f64[at + 1] = first + 1;
  f64[at + 2] = first + 2;
  f64[at + 3] = first + 3;
  f64[at + 4] = first + 4;
  f64[at + 5] = first + 5;
  f64[at + 6] = first + 6;
  f64[at + 7] = first + 7;
}

/** Number of the message at an index of the array, or NaN when it is none. */
export function numberOf(f64: ArrayLike<number>, at: number): number {
  const first = f64[at];
  return f64[at + 1] === first + 1 &&
    f64[at + 2] === first + 2 &&
    f64[at + 3] === first + 3 &&
    f64[at + 4] === first + 4 &&
    f64[at + 5] === first + 5 &&
    f64[at + 6] === first + 6 &&
    f64[at + 7] === first + 7
    ? first / 8
    : Number.NaN;
}

/** As {@link fill}, at any byte of a stream. */
export function fillStream(view: DataView, at: number, number: number): void {
  for (let word = 0; word < 8; word++) view.setFloat64(at + word * 8, number * 8 + word, true);
}

/** As {@link numberOf}, at any byte of a stream. */
export function numberInStream(view: DataView, at: number): number {
  const first = view.getFloat64(at, true);
  for (let word = 1; word < 8; word++) if (view.getFloat64(at + word * 8, true) !== first + word) return Number.NaN;
  return first / 8;
}
