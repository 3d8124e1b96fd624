import { LinuxError } from './errors.ts';
import { systemCalls } from './system-calls.ts';

/**
 * Blocks this thread while the 32-bit word at `address` equals `expected`, at the most `timeoutMs`; may return early.
 *
 * futex(2) without FUTEX_PRIVATE_FLAG: Atomics.wait of V8 never crosses processes. The caller looks at its own condition
 * afterwards, so why the sleep ended (woken, word changed, timeout, signal) does not matter and is not returned.
 *
 * @throws LinuxError when the address is bad.
 */
export function futexWait(address: number, expected: number, timeoutMs: number): void {
  const result = systemCalls.futexWait(address, expected, timeoutMs);
  if (result >= 0 || result === -EAGAIN || result === -EINTR || result === -ETIMEDOUT) return;
  throw new LinuxError('futex(FUTEX_WAIT)', -result);
}

/** Wakes up to `count` threads, of any process, that sleep on the word at `address`; returns how many. */
export function futexWake(address: number, count = 1): number {
  return systemCalls.futexWake(address, count);
}

const EINTR = 4;
const EAGAIN = 11;
const ETIMEDOUT = 110;
