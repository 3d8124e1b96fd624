export { type Access, Region, type RegionDescriptor, type RegionOptions, type WaitStrategy } from '@memlane/core';
export { LinuxError, MemlaneError, type MemlaneErrorCode } from '@memlane/linux';
export * from '@memlane/ring';
