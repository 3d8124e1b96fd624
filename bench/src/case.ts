import { execPath } from 'node:process';
import { fileURLToPath } from 'node:url';

/** Between a pair of processes, or one way for several to be joined. */
export type Kind = 'throughput' | 'roundTrip' | Topology;

/** `mpsc`: many to one, in order; `broadcast`: one to many, to all; `workQueue`: many to many, each message to one. */
export type Topology = 'mpsc' | 'broadcast' | 'workQueue';

/** How many processes there are on each side. Producers are a power of two, at the most 64. */
export interface Shape {
  readonly producers: number;
  readonly consumers: number;
}

/**
 * How a case runs: `pair` starts the consumer, awaits its "ready" and starts the producer; `single` starts only the
 * producer, which starts its consumer itself (a forked child, a worker thread); `group` starts as many of both as the
 * shape says (src/group-sample.ts).
 */
export interface Program {
  readonly command: readonly string[];
  readonly start: 'pair' | 'single' | 'group';
}

/** One way to move a message, at one size: what a sample is taken of. */
export interface Case {
  readonly kind: Kind;
  /** Unique within its kind. */
  readonly name: string;
  readonly program: Program;
  readonly variant: string;
  readonly sizeBytes: number;
  /** One of each where there is none. */
  readonly shape?: Shape;
  /** Messages of each producer in the shortest sample that tells anything. */
  readonly fewestEach?: number;
}

/** @param module a file name under cases/ */
export function nodeProgram(module: string, start: Program['start'] = 'pair'): Program {
  return { command: [execPath, fileURLToPath(new URL(`./cases/${module}.js`, import.meta.url))], start };
}

const prefixes: Record<Kind, string> = {
  throughput: '',
  roundTrip: 'round trip ',
  mpsc: 'mpsc ',
  broadcast: 'broadcast ',
  workQueue: 'work queue ',
};

export function label({ kind, name, sizeBytes, shape }: Case): string {
  return `${prefixes[kind]}${shape ? `${shapeLabel(shape)} ` : ''}${name} ${sizeLabel(sizeBytes)}`;
}

export function shapeLabel({ producers, consumers }: Shape): string {
  return `${producers}x${consumers}`;
}

export function sizeLabel(sizeBytes: number): string {
  if (sizeBytes >= 1 << 20) return `${sizeBytes >> 20} MiB`;
  return sizeBytes >= 1 << 10 ? `${sizeBytes >> 10} KiB` : `${sizeBytes} B`;
}
