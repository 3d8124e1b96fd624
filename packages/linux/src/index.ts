export * as constants from './constants.ts';
export * from './errors.ts';
export * from './files.ts';
export * from './futex.ts';
export * from './locks.ts';
export * as memory from './memory.ts';
export { PAGE_SIZE, toPages } from './memory.ts';
export { assertPlatform, type PlatformFacts } from './platform.ts';
export { addressOf, replaceSystemCall, type SystemCalls, systemCalls } from './system-calls.ts';
