import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { arch, versions } from 'node:process';
import type { Cores } from './child-group.ts';
import type { Suite } from './options.ts';

/** What a result depends on and a reader needs; nothing that names the machine. */
export interface Machine {
  readonly cpu: string;
  readonly cpuCount: number;
  readonly memoryGiB: number;
  readonly hypervisor: boolean;
  readonly architecture: string;
  readonly kernel: string;
  readonly node: string;
  readonly v8: string;
  readonly compiler: string;
  readonly pinning: string;
}

/** @returns the two cores that a sample is pinned to, where this process may use two */
export function chooseCores(): Cores | undefined {
  const [producer, consumer] = allowedCores();
  return consumer === undefined ? undefined : { producer, consumer };
}

function allowedCores(): number[] {
  const line = /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
  return line.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

export function describeMachine(cores: Cores | undefined, compiler: string | undefined, suite: Suite): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpuCount: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    hypervisor: /^flags.*\bhypervisor\b/m.test(readFileSync('/proc/cpuinfo', 'utf8')),
    architecture: arch,
    kernel: release(),
    node: versions.node,
    v8: versions.v8,
    compiler: compiler ?? 'none',
    pinning: cores ? describePinning(cores, suite) : 'none: fewer than two cores',
  };
}

function describePinning({ producer, consumer }: Cores, suite: Suite): string {
  const alone = `producer core ${producer}, consumer core ${consumer}`;
  return suite === 'topologies' ? `one ${alone}; several dealt out over both` : alone;
}
