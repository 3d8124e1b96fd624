import { existsSync } from 'node:fs';
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
  readonly #path: string;

  /** @throws ERR_MEMLANE_PLATFORM when it is missing or cannot be loaded. */
  constructor(path: string) {
    this.#path = path;
    try {
      this.#library = koffi.load(path);
    } catch (cause) {
      const what = existsSync(path) ? `cannot be loaded: ${messageOf(cause)}` : 'is missing';
      throw new MemlaneError('ERR_MEMLANE_PLATFORM', `The native part of memlane ${what}`, { path, cause });
    }
  }

  /** The function that a prototype in C describes. @throws ERR_MEMLANE_PLATFORM when the object has none of that name. */
  bind(prototype: string): NativeFunction {
    try {
      return this.#library.func(prototype) as unknown as NativeFunction;
    } catch (cause) {
      this.refuse(messageOf(cause), cause);
    }
  }

  /** Throws ERR_MEMLANE_PLATFORM: the object is not the one that the JavaScript beside it was written for. */
  refuse(how: string, cause?: unknown): never {
    throw new MemlaneError('ERR_MEMLANE_PLATFORM', `The native part of memlane is that of another version: ${how}`, {
      path: this.#path,
      cause,
    });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** `length` bytes of this process's memory as an array. The memory has to stay where it is for ever. */
export function viewMemory(address: number, length: number): ArrayBuffer {
  return koffi.view(BigInt(address), length);
}

/** The environment of this thread, for native functions with a `void *` that calls Node back. */
export const threadEnvironment: unknown = koffi.node.env;
