/**
 * The name of a consumer's place, by which its next owner finds it. Written under the attach lock, the length last.
 *
 * ```text
 *        0               4               8              12
 *    0  | nameBytes     | retention     | keptBytes                     |
 *   16  | name ...
 *   80  |               |
 *  128
 * ```
 */
export const NAMED_CURSOR = {
  name: 'namedCursor',
  bytes: 128,
  fields: {
    nameBytes: { type: 'i32', offset: 0, meaning: 'length of the name; 0 when the place has none' },
    retention: { type: 'i32', offset: 4, meaning: 'kept while nobody owns it: 0 nothing, 1 keptBytes, 2 everything' },
    keptBytes: { type: 'f64', offset: 8, meaning: 'how far behind it may be while nobody owns it' },
    name: { type: 'text', offset: 16, meaning: 'UTF-8' },
  },
} as const;
