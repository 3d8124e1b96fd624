import { signatureOf } from './descriptor.ts';
import { SLOT } from './slot-descriptor.ts';
import { SUPERBLOCK } from './superblock-descriptor.ts';

/**
 * What the participants of a region agree on when its file changes its length: behind the superblock of the control file.
 *
 * ```text
 *        0               4               8              12
 *    0  | generation    | coordinator   | targetLength                  |
 *   16  | dev                           | ino                           |
 *   32  | maxLength                     |                               |
 *  128
 * ```
 */
export const RESIZE = {
  name: 'resize',
  bytes: 128,
  fields: {
    generation: {
      type: 'i32',
      offset: 0,
      meaning: 'raised at the beginning and at the end of a resize: odd while it lasts',
    },
    coordinator: { type: 'i32', offset: 4, meaning: 'slot of whoever began the last resize' },
    targetLength: {
      type: 'f64',
      offset: 8,
      meaning: 'bytes that the file is to have; valid while the generation is odd',
    },
    dev: { type: 'f64', offset: 16, meaning: 'device of the file that is controlled' },
    ino: { type: 'f64', offset: 24, meaning: 'its inode' },
    maxLength: {
      type: 'f64',
      offset: 32,
      meaning: 'most bytes that the file may have; every participant reserves them',
    },
  },
} as const;

/**
 * One for each slot: what its owner has answered.
 *
 * ```text
 *        0
 *    0  | generation    |
 *  128
 * ```
 */
export const ACKNOWLEDGEMENT = {
  name: 'acknowledgement',
  bytes: 128,
  fields: {
    generation: { type: 'i32', offset: 0, meaning: 'the owner uses nothing beyond the target of this generation' },
  },
} as const;

const MEMBERS = 64;
const SLOTS_OFFSET = 1024;

/** Where everything is in a control file, and the signature that it bears. */
export const CONTROL: {
  readonly MEMBERS: number;
  readonly SLOTS_OFFSET: number;
  readonly ACKNOWLEDGEMENTS_OFFSET: number;
  readonly SIGNATURE: number;
} = {
  MEMBERS,
  SLOTS_OFFSET,
  ACKNOWLEDGEMENTS_OFFSET: SLOTS_OFFSET + MEMBERS * SLOT.bytes,
  SIGNATURE: signatureOf([SUPERBLOCK, SLOT, RESIZE, ACKNOWLEDGEMENT]),
};
