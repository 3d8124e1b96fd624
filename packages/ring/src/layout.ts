/** The bytes of ring files and work queues, for tools and for tests. Changing any of these raises the layout version. */
export * from './lane-descriptor.ts';
export * from './record-descriptor.ts';
export * from './ring-descriptor.ts';
export * from './work-descriptor.ts';
