import { type ChildProcess, spawn } from 'node:child_process';
import { consumerCoreVariable } from './pinning.ts';

/** The cores of the two roles; undefined where there are not two to be had, and nothing is pinned. */
export interface Cores {
  readonly producer: number;
  readonly consumer: number;
}

const running = new Set<ChildProcess>();

function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended on its own.
  }
}

function killAll(): void {
  for (const child of running) killGroup(child);
}

process.on('exit', killAll);
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.on(signal, () => process.exit(code));
}

/** The processes of one sample: started on their cores, and ended together whatever happens. */
export class ChildGroup {
  readonly #cores: Cores | undefined;
  readonly #cpuLimitSeconds: number;
  readonly #children: ChildProcess[] = [];

  constructor(cores: Cores | undefined, cpuLimitSeconds: number) {
    this.#cores = cores;
    this.#cpuLimitSeconds = cpuLimitSeconds;
  }

  /** Starts a process on the core of its role. */
  start(role: 'producer' | 'consumer', command: readonly string[]): ChildProcess {
    return this.#spawn(this.#cores && [this.#cores[role]], command, 'ignore');
  }

  /** Starts a process that takes orders on its standard input. @param roles on the core of either, or whichever is free */
  startMember(roles: readonly ('producer' | 'consumer')[], command: readonly string[]): ChildProcess {
    const cores = this.#cores;
    return this.#spawn(cores && roles.map((role) => cores[role]), command, 'pipe');
  }

  #spawn(cores: readonly number[] | undefined, command: readonly string[], input: 'ignore' | 'pipe'): ChildProcess {
    const pin = cores ? ['taskset', '-c', cores.join(',')] : [];
    // The limit ends a spinning child whose runner was killed too hard to do it.
    const [file, ...argv] = ['prlimit', `--cpu=${this.#cpuLimitSeconds}`, ...pin, ...command];
    const child = spawn(file, argv, {
      // A group of its own, so that what it starts itself can be ended with it.
      detached: true,
      stdio: [input, 'pipe', 'pipe'],
      env: { ...process.env, ...(this.#cores && { [consumerCoreVariable]: String(this.#cores.consumer) }) },
    });
    running.add(child);
    this.#children.push(child);
    child.once('exit', () => running.delete(child));
    return child;
  }

  kill(): void {
    for (const child of this.#children) killGroup(child);
  }
}
