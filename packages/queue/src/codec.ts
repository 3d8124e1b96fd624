import { MemlaneError, throwArgument } from '@memlane/linux';

/** How values become bytes, and bytes values again. */
export interface Codec<Value> {
  /** Kept with the queue, and compared when it is opened. */
  readonly name: string;
  /**
   * Writes the value to the beginning of `target` and returns how many bytes it took; or, when it does not fit there, returns its
   * bytes in other memory, which is the caller's until the next call.
   */
  encode(value: Value, target: Buffer): number | Uint8Array;
  /** Makes a value of the bytes from `start` to `end`, and keeps none of them: they will be another message's. */
  decode(source: Buffer, start: number, end: number): Value;
}

/** Which codec a queue is created with: one of memlane's by name, or one of the user's. */
export type CodecChoice<Value> = 'msgpack' | 'json' | 'raw' | Codec<Value>;

/** Bytes as they are. What is read is a copy. */
export const rawCodec: Codec<Uint8Array> = {
  name: 'raw',
  encode(value, target) {
    if (!(value instanceof Uint8Array)) throwArgument('value', value, "a Uint8Array or a Buffer, with codec 'raw'");
    if (value.length > target.length) return value;
    target.set(value);
    return value.length;
  },
  decode: (source, start, end) => Buffer.from(source.subarray(start, end)),
};

/** JSON, in UTF-8. */
export const jsonCodec: Codec<unknown> = {
  name: 'json',
  encode(value, target) {
    const text = JSON.stringify(value);
    if (text === undefined) throwArgument('value', value, 'something that JSON can express');
    const bytes = Buffer.byteLength(text);
    if (bytes > target.length) return Buffer.from(text);
    return target.write(text, 0, bytes, 'utf8');
  },
  decode(source, start, end) {
    try {
      return JSON.parse(source.toString('utf8', start, end));
    } catch (cause) {
      throw undecodable('json', cause);
    }
  },
};

/** The error for a message that its codec cannot read. */
export function undecodable(codec: string, cause: unknown): MemlaneError {
  return new MemlaneError('ERR_MEMLANE_CODEC', `The message is not what codec '${codec}' writes`, { cause });
}
