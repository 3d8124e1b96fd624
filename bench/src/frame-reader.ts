/** Bytes of the header before each payload on a byte stream: its length, padded so that payloads stay aligned to 8. */
export const frameHeaderBytes = 8;

/**
 * Cuts a byte stream into frames: in place where a whole frame lies in one chunk, through one assembly buffer where it
 * does not. (Appending to a growing Buffer instead costs the square of the frame's size.)
 */
export class FrameReader {
  readonly #onFrame: (view: DataView, offset: number, length: number) => void;
  readonly #assembly: Uint8Array;
  readonly #assemblyView: DataView;
  #assembled = 0;

  constructor(largestPayloadBytes: number, onFrame: (view: DataView, offset: number, length: number) => void) {
    this.#onFrame = onFrame;
    this.#assembly = new Uint8Array(frameHeaderBytes + largestPayloadBytes);
    this.#assemblyView = new DataView(this.#assembly.buffer);
  }

  read(chunk: Uint8Array): void {
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let at = this.#assembled === 0 ? 0 : this.#complete(chunk);
    while (at + frameHeaderBytes <= chunk.byteLength) {
      const length = view.getUint32(at, true);
      const end = at + frameHeaderBytes + length;
      if (end > chunk.byteLength) break;
      this.#onFrame(view, at + frameHeaderBytes, length);
      at = end;
    }
    if (at < chunk.byteLength) this.#take(chunk, at, chunk.byteLength);
  }

  /** Adds to the unfinished frame what the chunk has of it. @returns where the next frame starts */
  #complete(chunk: Uint8Array): number {
    let at = 0;
    if (this.#assembled < frameHeaderBytes) at = this.#take(chunk, at, frameHeaderBytes - this.#assembled);
    if (this.#assembled < frameHeaderBytes) return at;
    const length = this.#assemblyView.getUint32(0, true);
    at = this.#take(chunk, at, at + frameHeaderBytes + length - this.#assembled);
    if (this.#assembled === frameHeaderBytes + length) {
      this.#assembled = 0;
      this.#onFrame(this.#assemblyView, frameHeaderBytes, length);
    }
    return at;
  }

  #take(chunk: Uint8Array, from: number, to: number): number {
    const end = Math.min(to, chunk.byteLength);
    this.#assembly.set(chunk.subarray(from, end), this.#assembled);
    this.#assembled += end - from;
    return end;
  }
}
