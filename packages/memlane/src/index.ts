export {
  type Access,
  Region,
  type RegionDescriptor,
  type RegionOptions,
  type ResizeOptions,
  SharedRegion,
  type SharedRegionOptions,
  type WaitStrategy,
} from '@memlane/core';
export { type Fault, type FaultCause, type GuardStatus, guard } from '@memlane/guard';
export { LinuxError, MemlaneError, type MemlaneErrorCode } from '@memlane/linux';
export * from '@memlane/queue';
export * from '@memlane/ring';
export * from '@memlane/slab';
