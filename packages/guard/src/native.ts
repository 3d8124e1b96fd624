import { fileURLToPath } from 'node:url';
import {
  LinuxError,
  type NativeFunction,
  NativeLibrary,
  PAGE_SIZE,
  threadEnvironment,
  viewMemory,
} from '@memlane/linux';

/*
 * native/guard.c, loaded. Its control block is memory of the object itself, the same for every thread of the process and
 * never freed; the object is never unloaded, because the signal handlers in it stay installed when the thread that
 * loaded it has ended.
 */

/** Where the object is. Shipped in the package: installing compiles nothing. */
export const libraryPath: string = fileURLToPath(new URL(`../prebuilt/guard-${process.arch}.so`, import.meta.url));

type NativeName =
  | 'install'
  | 'installed'
  | 'owner'
  | 'followThread'
  | 'watch'
  | 'extend'
  | 'restore'
  | 'leave'
  | 'describe'
  | 'notify'
  | 'silence';

const library = new NativeLibrary(libraryPath);
const bind = (prototype: string): NativeFunction => library.bind(prototype);

/** Words of the control block, in the order of `struct control`. */
export const ControlWord = {
  layoutVersion: 0,
  capacity: 1,
  faults: 2,
  passedOn: 3,
  failed: 4,
  installs: 5,
  watched: 6,
  faultsOf: 32,
} as const;

const CAPACITY = 32768;
const LAYOUT = `1 for ${CAPACITY} ranges`;
const controlAddress = bind('uintptr_t guard_control()')();

/** The control block. To be read by {@link load} only: V8 removes repeated plain loads, and with them the fault. */
export const control: Int32Array = new Int32Array(
  viewMemory(Number(controlAddress), 4 * (ControlWord.faultsOf + CAPACITY)),
);
// Before anything else is bound: a function of the same name may take other parameters.
const found = `${load(control, ControlWord.layoutVersion)} for ${load(control, ControlWord.capacity)} ranges`;
if (found !== LAYOUT) library.refuse(`its layout is ${found}, not ${LAYOUT}`);

/** What native/guard.c exports; results are >= 0 or -errno. */
export const native: Readonly<Record<NativeName, NativeFunction>> = {
  install: bind('int guard_install(uint32_t pageBytes)'),
  installed: bind('int guard_installed()'),
  owner: bind('int guard_owner()'),
  followThread: bind('int guard_follow_thread(void *environment, uint32_t owner)'),
  watch: bind(
    'int guard_watch(uint64_t start, uint64_t bytes, int fd, uint64_t fileOffset, uint32_t protection, uint32_t owner, int counter)',
  ),
  extend: bind('int guard_extend(int index, uint64_t bytes, uint64_t from)'),
  restore: bind('int guard_restore(int index, int mirror, void *acknowledged)'),
  leave: bind('int guard_leave(int index)'),
  describe: bind('int guard_describe(int index, double *into)'),
  notify: bind('int guard_notify(int fd, uint32_t owner)'),
  silence: bind('int guard_silence(int index)'),
};

/** Loads a word of the control block. */
export function load(words: Int32Array, index: number): number {
  // biome-ignore lint/style/noRestrictedGlobals: memory of this process alone, which no explorer has to schedule
  return Atomics.load(words, index);
}

/** A result of the object: -errno, or what was asked for. @throws LinuxError */
export function orThrow(result: number, what: string, path?: string): number {
  if (result < 0) throw new LinuxError(what, -result, path);
  return result;
}

/** Installs the signal handlers where they are not, or no longer. Cheap when they are: two system calls. */
export function install(): void {
  orThrow(native.install(PAGE_SIZE), 'rt_sigaction');
}

/** This thread, by which its ranges are found when it ends without running any more JavaScript. */
export const owner: number = native.owner();
orThrow(native.followThread(threadEnvironment, owner), 'napi_add_env_cleanup_hook');
