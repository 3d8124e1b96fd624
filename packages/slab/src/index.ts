export type { Waybill } from './chunk-records.ts';
export { decodeReference, encodeReference, REFERENCE_BYTES, type SharedReference } from './reference.ts';
export { SharedBuffer, type ShareOptions } from './shared-buffer.ts';
export {
  type AcquireOptions,
  attachSlab,
  type CreateSlabOptions,
  createAnonymousSlab,
  createSlab,
  openOrCreateSlab,
  openSlab,
  removeSlab,
  Slab,
  type SlabDescriptor,
} from './slab.ts';
export type { SlabShape } from './slab-file.ts';
export type { ChunkHolders, ClassStatistics, HolderStatistics, SlabStatistics } from './slab-statistics.ts';
