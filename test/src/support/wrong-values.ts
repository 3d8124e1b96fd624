import { type Descriptor, FIELD_BYTES, type Field } from '@memlane/core';
import { readBytes, writeBytes } from '../ring/ring-bytes.ts';

/** Wrong values for a field: none, all, one more, one less, the other sign, and what a number may be that is none. */
function wrongValues(type: Field['type'], right: Buffer): Buffer[] {
  const values: Buffer[] = [Buffer.alloc(right.length), Buffer.alloc(right.length, 0xff)];
  const put = (write: (buffer: Buffer) => void): void => {
    const buffer = Buffer.from(right);
    write(buffer);
    values.push(buffer);
  };
  if (type === 'f64') {
    const number = right.readDoubleLE();
    for (const value of [
      number + 1,
      number - 1,
      -number,
      number * 2,
      0.5,
      2 ** 53,
      Number.POSITIVE_INFINITY,
      Number.NaN,
    ])
      put((buffer) => buffer.writeDoubleLE(value));
  } else if (type === 'id') put((buffer) => buffer.writeUInt8(right.readUInt8() ^ 1));
  else {
    const number = right.readUInt32LE();
    for (const value of [number + 1, number - 1, number ^ 0x80000000, number * 2, number >>> 1, 0x7fffffff])
      put((buffer) => buffer.writeUInt32LE(value >>> 0));
  }
  return values.filter((value) => !value.equals(right));
}

/** Every wrong value of every field of a structure in a file, one at a time; then the right one again. */
export function eachWrongValue(
  path: string,
  { descriptor, offset: base }: { readonly descriptor: Descriptor; readonly offset: number },
  check: (field: string, value: Buffer) => void,
): void {
  for (const [name, { type, offset }] of Object.entries(descriptor.fields)) {
    const right = readBytes(path, base + offset, FIELD_BYTES[type]);
    for (const wrong of wrongValues(type, right)) {
      writeBytes(path, base + offset, wrong);
      try {
        check(name, wrong);
      } catch (error) {
        (error as Error).message += ` (${descriptor.name}.${name} = ${wrong.toString('hex')})`;
        throw error;
      }
      writeBytes(path, base + offset, right);
    }
  }
}

/** The code for each field of a superblock that has one of its own; ERR_MEMLANE_CORRUPT with its name for the others. */
export const OWN_CODES: Readonly<Record<string, readonly string[]>> = {
  magicLow: ['ERR_MEMLANE_NOT_MEMLANE'],
  magicHigh: ['ERR_MEMLANE_NOT_MEMLANE'],
  version: ['ERR_MEMLANE_VERSION'],
  kind: ['ERR_MEMLANE_KIND'],
  signature: ['ERR_MEMLANE_SIGNATURE'],
  ready: ['ERR_MEMLANE_NOT_MEMLANE'],
  fileLength: ['ERR_MEMLANE_CORRUPT', 'ERR_MEMLANE_TRUNCATED'],
};
/** Fields of a superblock that may hold anything, because nothing depends on them once the file is made. */
export const FREE_FIELDS: ReadonlySet<string> = new Set(['fileId', 'createdAtMs', 'epoch']);
