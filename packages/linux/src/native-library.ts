import koffi from 'koffi';
import { MemlaneError } from './errors.ts';

/** A function of a shared object: numbers and typed arrays in, a number out. */
export type NativeFunction = (...parameters: unknown[]) => number;

/**
 * A shared object of memlane's own. It is never unloaded: what it has installed in the process outlives every thread.
 *
 * @example
 * const library = new NativeLibrary('/path/to/guard-x64.so');
 * const install = library.bind('int guard_install(uint32_t pageBytes)');
 */
export class NativeLibrary {
  readonly #library: ReturnType<typeof koffi.load>;

  /** @throws ERR_MEMLANE_PLATFORM when it cannot be loaded. */
  constructor(path: string) {
    try {
      this.#library = koffi.load(path);
    } catch (cause) {
      throw new MemlaneError('ERR_MEMLANE_PLATFORM', 'A native part of memlane cannot be loaded', { path, cause });
    }
  }

  /** The function that a prototype in C describes. */
  bind(prototype: string): NativeFunction {
    return this.#library.func(prototype) as unknown as NativeFunction;
  }
}

/** `length` bytes of this process's memory as an array. The memory has to stay where it is for ever. */
export function viewMemory(address: number, length: number): ArrayBuffer {
  return koffi.view(BigInt(address), length);
}

/** The environment of this thread, for native functions with a `void *` that calls Node back. */
export const threadEnvironment: unknown = koffi.node.env;
