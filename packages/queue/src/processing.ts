import { checkInteger, checkOptions, checkSignal, checkType } from '@memlane/linux';
import type { Job } from './job.ts';

/** How messages are processed. */
export interface ProcessOptions {
  /** Messages that are handled at the same time. Default 1. */
  readonly concurrency?: number;
  /** How long a message whose handler has failed is kept from being received again. Default 0. */
  readonly retryDelayMs?: number | ((deliveries: number) => number);
  /** Called with what a handler has thrown, for the log. The message is given back either way. */
  readonly onError?: (error: unknown, value: unknown) => void;
  /** Ends it after the messages that are being handled. */
  readonly signal?: AbortSignal;
}

/** Where the messages come from. */
interface Source<Value> {
  /** Rejects with the signal's reason. */
  receive(options: { readonly signal: AbortSignal }): Promise<Job<Value> | null>;
}

/**
 * Handles messages, so many at the same time, until the end or the signal; resolves when the last handler has. A message is
 * acknowledged when its handler has resolved, and given back when it has rejected.
 *
 * @throws (rejects) what the source throws, once the handlers under way are through.
 */
export async function processJobs<Value>(
  source: Source<Value>,
  handler: (value: Value, job: Job<Value>) => unknown,
  options: ProcessOptions,
): Promise<void> {
  checkType('handler', handler, 'function');
  const { concurrency = 1, retryDelayMs = 0, onError, signal } = checkOptions('options', options);
  checkInteger('concurrency', concurrency, 1, 2 ** 20);
  checkSignal(signal);
  if (onError !== undefined) checkType('onError', onError, 'function');
  const ending = new AbortController();
  const end = (): void => ending.abort();
  signal?.addEventListener('abort', end, { once: true });
  if (signal?.aborted === true) end();
  const underWay = new Set<Promise<void>>();
  const handle = async (job: Job<Value>): Promise<void> => {
    try {
      await handler(job.value, job);
      if (!job.settled) job.ack();
    } catch (error) {
      onError?.(error, job.value);
      const delayMs = typeof retryDelayMs === 'function' ? retryDelayMs(job.deliveries) : retryDelayMs;
      if (!job.settled) job.nack({ delayMs });
    }
  };
  try {
    while (!ending.signal.aborted) {
      const job = await source.receive({ signal: ending.signal });
      if (job === null) break;
      const handling: Promise<void> = handle(job).finally(() => underWay.delete(handling));
      handling.catch(() => {}); // met below
      underWay.add(handling);
      if (underWay.size >= concurrency) await Promise.race(underWay);
    }
  } catch (error) {
    if (!ending.signal.aborted) throw error;
  } finally {
    signal?.removeEventListener('abort', end);
    await Promise.all(underWay);
  }
}
