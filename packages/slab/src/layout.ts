/** The bytes of slabs, for tools and for tests. Changing any of these raises the layout version. */
export * from './slab-descriptor.ts';
