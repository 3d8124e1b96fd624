/** The bytes of files of this package, for tools and for tests. Changing any of these raises the layout version. */
export * from './counters-descriptor.ts';
export * from './lane-descriptor.ts';
export * from './latest-value-descriptor.ts';
export * from './named-cursor-descriptor.ts';
export * from './record-descriptor.ts';
export * from './ring-descriptor.ts';
export * from './work-descriptor.ts';
