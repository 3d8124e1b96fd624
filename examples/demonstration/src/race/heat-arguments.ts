// What a program of the race is told on its command line.
import type { WaitStrategy } from 'memlane';

export interface Duration {
  /** What happens in this time is checked, but not measured: compilers and caches are still at work. */
  readonly warmupMs: number;
  readonly measureMs: number;
}

export interface HeatArguments extends Duration {
  /** Where rings and sockets are. */
  readonly directory: string;
  readonly wait: WaitStrategy;
  readonly batch: number;
}

export function parseHeat(): HeatArguments {
  const [directory, warmupMs, measureMs, wait, batch] = process.argv.slice(2);
  return {
    directory,
    warmupMs: Number(warmupMs),
    measureMs: Number(measureMs),
    wait: wait as WaitStrategy,
    batch: Number(batch),
  };
}
