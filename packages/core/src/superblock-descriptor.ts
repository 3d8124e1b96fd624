/**
 * The first 512 bytes of every file of memlane: proof that it is the right file, and where the rest is.
 * Written once by the creator before the file has a name; only `epoch` changes afterwards.
 *
 * ```text
 *        0               4               8              12
 *    0  | magicLow      | magicHigh     | version       | kind          |
 *   16  | signature     | byteOrder     | pageSize      |               |
 *   32  | fileId                                                        |
 *   48  | createdAtMs                   | fileLength                    |
 *   64  | slotCount     | slotsOffset   |                               |
 *  128  | epoch         | ready         |                               |
 *  512
 * ```
 */
export const SUPERBLOCK = {
  name: 'superblock',
  bytes: 512,
  fields: {
    magicLow: { type: 'u32', offset: 0, meaning: "'MEML'" },
    magicHigh: { type: 'u32', offset: 4, meaning: "'ANE' and a zero byte" },
    version: { type: 'u32', offset: 8, meaning: 'layout version' },
    kind: {
      type: 'u32',
      offset: 12,
      meaning:
        'what follows: 2 ring, 3 control file of a shared region, 4 work queue, 5 latest value, 6 counters, 7 slab',
    },
    signature: { type: 'u32', offset: 16, meaning: 'hash of the descriptors of this kind' },
    byteOrder: { type: 'u32', offset: 20, meaning: '0x01020304 as the creator stores it' },
    pageSize: { type: 'u32', offset: 24, meaning: 'bytes of a page of the creating machine' },
    fileId: { type: 'id', offset: 32, meaning: 'random; names the bells of this file' },
    createdAtMs: { type: 'f64', offset: 48, meaning: 'milliseconds since 1970' },
    fileLength: { type: 'f64', offset: 56, meaning: 'bytes of the whole file' },
    slotCount: { type: 'u32', offset: 64, meaning: 'participant slots' },
    slotsOffset: { type: 'u32', offset: 68, meaning: 'where the slots begin' },
    epoch: { type: 'i32', offset: 128, meaning: 'raised when the contents are replaced; odd while that lasts' },
    ready: {
      type: 'i32',
      offset: 132,
      meaning: 'stored last; 0x59444552 when complete; 0 again when a reader has found the contents damaged',
    },
  },
} as const;

export const MAGIC_LOW = 0x4c4d454d;
export const MAGIC_HIGH = 0x00454e41;
export const LAYOUT_VERSION = 1;
export const BYTE_ORDER_MARK = 0x01020304;
export const READY = 0x59444552;

/** Kinds of file. A number is never reused. */
export const FileKind = { ring: 2, control: 3, work: 4, latestValue: 5, counters: 6, slab: 7 } as const;
