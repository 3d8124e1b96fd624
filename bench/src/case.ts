import { execPath } from 'node:process';
import { fileURLToPath } from 'node:url';

export type Kind = 'throughput' | 'roundTrip';

/**
 * How a case runs: `pair` starts the consumer, awaits its "ready" and starts the producer; `single` starts only the
 * producer, which starts its consumer itself (a forked child, a worker thread).
 */
export interface Program {
  readonly command: readonly string[];
  readonly start: 'pair' | 'single';
}

/** One way to move a message, at one size: what a sample is taken of. */
export interface Case {
  readonly kind: Kind;
  /** Unique within its kind. */
  readonly name: string;
  readonly program: Program;
  readonly variant: string;
  readonly sizeBytes: number;
}

/** @param module a file name under cases/ */
export function nodeProgram(module: string, start: Program['start'] = 'pair'): Program {
  return { command: [execPath, fileURLToPath(new URL(`./cases/${module}.js`, import.meta.url))], start };
}

export function label({ kind, name, sizeBytes }: Case): string {
  return `${kind === 'roundTrip' ? 'round trip ' : ''}${name} ${sizeLabel(sizeBytes)}`;
}

export function sizeLabel(sizeBytes: number): string {
  if (sizeBytes >= 1 << 20) return `${sizeBytes >> 20} MiB`;
  return sizeBytes >= 1 << 10 ? `${sizeBytes >> 10} KiB` : `${sizeBytes} B`;
}
