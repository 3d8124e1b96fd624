/** Type of a field in a shared file. All little-endian, all naturally aligned. */
export type FieldType = 'u32' | 'i32' | 'f64' | 'id' | 'text';

/** Bytes of each type; `id` is sixteen random bytes, `text` at most 64 bytes of UTF-8. */
export const FIELD_BYTES: Readonly<Record<FieldType, number>> = { u32: 4, i32: 4, f64: 8, id: 16, text: 64 };

/** One field: where it is and what it says. Only descriptors hold literal offsets. */
export interface Field {
  readonly type: FieldType;
  readonly offset: number;
  readonly meaning: string;
}

/** The layout of one structure in a shared file. docs/layouts.md is drawn from these and compared by a test. */
export interface Descriptor {
  readonly name: string;
  readonly bytes: number;
  readonly fields: Readonly<Record<string, Field>>;
}

/** Distance at which two words never share a cache line, nor the pair of lines that a prefetcher fetches together. */
export const LINE_BYTES = 128;

/**
 * FNV-1a over the names, sizes, types and offsets of the structures that a kind of file is made of. Two builds whose
 * layouts differ in any of these refuse each other, even when somebody forgot to raise the version.
 */
export function signatureOf(descriptors: readonly Descriptor[]): number {
  let hash = 0x811c9dc5;
  const mix = (text: string): void => {
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  };
  for (const { name, bytes, fields } of descriptors) {
    mix(`${name}:${bytes};`);
    for (const [field, { type, offset }] of Object.entries(fields)) mix(`${field}:${type}@${offset};`);
  }
  return hash >>> 0;
}
