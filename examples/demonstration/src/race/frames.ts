// A stream knows no messages: each travels in a frame, its length first, and the receiver puts together what the stream
// has cut.
import { fillStream, MESSAGE_BYTES } from '../message.ts';

const HEADER_BYTES = 4;
export const FRAME_BYTES: number = HEADER_BYTES + MESSAGE_BYTES;

export function writeFrame(view: DataView, at: number, number: number): void {
  view.setUint32(at, MESSAGE_BYTES, true);
  fillStream(view, at + HEADER_BYTES, number);
}

/** Memory of its own for each frame: a socket may still have the last one to send. */
export function frame(number: number): Uint8Array {
  const bytes = new Uint8Array(FRAME_BYTES);
  writeFrame(new DataView(bytes.buffer), 0, number);
  return bytes;
}

export class FrameReader {
  readonly #onMessage: (view: DataView, at: number) => void;
  /** The beginning of a frame whose rest has not come yet. */
  readonly #cut = new Uint8Array(FRAME_BYTES);
  readonly #cutView = new DataView(this.#cut.buffer);
  #cutBytes = 0;

  constructor(onMessage: (view: DataView, at: number) => void) {
    this.#onMessage = onMessage;
  }

  /** Hands every message that is complete with this chunk to the listener. */
  read(chunk: Uint8Array): void {
    let at = 0;
    if (this.#cutBytes > 0) {
      at = this.#keep(chunk.subarray(0, FRAME_BYTES - this.#cutBytes));
      if (this.#cutBytes < FRAME_BYTES) return;
      this.#cutBytes = 0;
      this.#emit(this.#cutView, 0);
    }
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (; at + FRAME_BYTES <= chunk.byteLength; at += FRAME_BYTES) this.#emit(view, at);
    this.#keep(chunk.subarray(at));
  }

  #keep(part: Uint8Array): number {
    this.#cut.set(part, this.#cutBytes);
    this.#cutBytes += part.length;
    return part.length;
  }

  #emit(view: DataView, at: number): void {
    const length = view.getUint32(at, true);
    // All messages are equally long here, so a frame of another length is a fault of the stream.
    if (length !== MESSAGE_BYTES) throw new Error(`a frame of ${length} bytes`);
    this.#onMessage(view, at + HEADER_BYTES);
  }
}
