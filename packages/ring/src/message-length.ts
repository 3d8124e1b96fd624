import { throwArgument } from '@memlane/linux';

/** Bytes that a message takes. @throws ERR_MEMLANE_ARGUMENT when it is none. */
export function lengthOf(message: Uint8Array | string): number {
  if (typeof message === 'string') return Buffer.byteLength(message);
  if (!(message instanceof Uint8Array)) throwArgument('message', message, 'a Uint8Array, a Buffer or a string');
  return message.length;
}
