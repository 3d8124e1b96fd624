/**
 * The work done with every message, the same as in native/work.h; a payload is a row of 8-byte doubles.
 * - Up to 64 bytes the producer stores the sequence number into every word, one store after the other, as a codec stores
 *   fields; the consumer checks the length, the first word and the last.
 * - Above, the producer copies a prepared source and stores the sequence number into word 0; the consumer checks the
 *   length and word 0, reads one word of every following 64-byte line, and checks their sum.
 */
const wordBytes = 8;
const lineWords = 8;

export class Workload {
  readonly sizeBytes: number;
  readonly words: number;
  readonly source: Float64Array;
  readonly sourceBytes: Uint8Array;
  readonly expectedSum: number;

  /** @param sizeBytes 8, or a multiple of 64 */
  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    this.words = sizeBytes / wordBytes;
    this.source = Float64Array.from({ length: this.words }, (_, word) => word);
    this.sourceBytes = new Uint8Array(this.source.buffer);
    this.expectedSum = this.#sumLines(this.source, 0);
  }

  /** Writes one payload into memory seen through both views. @param offset bytes, a multiple of 8 */
  fill(f64: Float64Array, u8: Uint8Array, offset: number, sequence: number): void {
    if (this.words > lineWords) u8.set(this.sourceBytes, offset);
    this.#number(f64, offset >>> 3, sequence);
  }

  /** The next payload in memory of the workload's own: for channels that copy what they are given. */
  payload(sequence: number): Float64Array {
    this.#number(this.source, 0, sequence);
    return this.source;
  }

  /** Judges one payload. @param offset bytes, a multiple of 8 */
  isIntact(f64: Float64Array, offset: number, length: number, sequence: number): boolean {
    const first = offset >>> 3;
    if (length !== this.sizeBytes || f64[first] !== sequence) return false;
    if (this.words <= lineWords) return f64[first + this.words - 1] === sequence;
    return this.#sumLines(f64, first) === this.expectedSum;
  }

  /** As {@link isIntact}, for the chunk of a byte stream, where a payload lies at any offset. */
  isIntactAnywhere(view: DataView, offset: number, length: number, sequence: number): boolean {
    if (length !== this.sizeBytes || view.getFloat64(offset, true) !== sequence) return false;
    if (this.words <= lineWords) return view.getFloat64(offset + length - wordBytes, true) === sequence;
    let sum = 0;
    for (let at = 64; at < length; at += 64) sum += view.getFloat64(offset + at, true);
    return sum === this.expectedSum;
  }

  #number(f64: Float64Array, first: number, sequence: number): void {
    f64[first] = sequence;
    if (this.words !== lineWords) return;
    f64[first + 1] = sequence;
    f64[first + 2] = sequence;
    f64[first + 3] = sequence;
    f64[first + 4] = sequence;
    f64[first + 5] = sequence;
    f64[first + 6] = sequence;
    f64[first + 7] = sequence;
  }

  #sumLines(f64: Float64Array, first: number): number {
    let sum = 0;
    for (let word = first + lineWords, end = first + this.words; word < end; word += lineWords) sum += f64[word];
    return sum;
  }
}

/** The same work on a string, which is what JSON can carry: one character of every following 64 is read and summed. */
export class TextWorkload {
  readonly text: string;
  readonly #expectedSum: number;

  constructor(sizeBytes: number) {
    this.text = Array.from({ length: sizeBytes }, (_, at) => String.fromCharCode(97 + ((at >> 6) % 26))).join('');
    this.#expectedSum = this.#sumLines(this.text);
  }

  isIntact(text: string): boolean {
    return text.length === this.text.length && this.#sumLines(text) === this.#expectedSum;
  }

  #sumLines(text: string): number {
    let sum = 0;
    for (let at = 64; at < text.length; at += 64) sum += text.charCodeAt(at);
    return sum;
  }
}
