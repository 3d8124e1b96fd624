import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/*
 * The judge's side of the programs in ../programs, which do what could kill or block Jest. A program gets its parameters
 * as JSON in its first argument, prints one JSON array [event, value] a line, and may be told lines on its standard
 * input. Its own side is ./speech.ts.
 */

/** How a program ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** How a program is started. */
export interface ProgramOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** Options of node itself. */
  readonly nodeOptions?: readonly string[];
  /** Run by something else, `['setpriv', '--reuid=...']` for example. */
  readonly wrapper?: readonly string[];
  /** Path of a program that speaks likewise, instead of one of ../programs. */
  readonly executable?: string;
}

/** Longest that a program may keep its judge waiting for a line: a watchdog for a busy machine, not an expectation. */
const PATIENCE_MS = 30_000;

/** A running program. Killed at the end of the scope if it still runs. */
export class Program implements AsyncDisposable {
  readonly name: string;
  readonly ended: Promise<Ending>;
  readonly #child: ChildProcess;
  readonly #lines: [event: string, value: unknown][] = [];
  readonly #history: string[] = [];
  #stderr = '';
  #ending: Ending | undefined;
  readonly #waiting = new Set<() => void>();

  /**
   * Starts `test/dist/programs/NAME.js`.
   *
   * @example
   * await using program = new Program('ring-consumer', { path });
   * await program.next('ready');
   */
  constructor(name: string, parameters: unknown = null, options: ProgramOptions = {}) {
    this.name = name;
    const path = fileURLToPath(new URL(`../programs/${name}.js`, import.meta.url));
    const command = [
      ...(options.wrapper ?? []),
      ...(options.executable === undefined
        ? [process.execPath, ...(options.nodeOptions ?? []), path]
        : [options.executable]),
      JSON.stringify(parameters),
    ];
    this.#child = spawn(command[0] as string, command.slice(1), {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.environment },
    });
    const { stdin, stdout, stderr } = this.#child;
    stdin?.on('error', () => {}); // told something after its end: `next` says what happened
    stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    createInterface({ input: stdout as NodeJS.ReadableStream }).on('line', (line) => {
      this.#history.push(line);
      this.#lines.push(parse(line));
      this.#wake();
    });
    this.ended = once(this.#child, 'close').then(([code, signal]) => {
      this.#ending = { code, signal };
      this.#wake();
      return this.#ending;
    });
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get running(): boolean {
    return this.#ending === undefined;
  }

  /** What it has printed to its standard error so far. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Tells it a line. */
  tell(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.#child.kill(signal);
  }

  /**
   * The value of its next line with that event; lines with others stay for those who ask for them.
   *
   * @throws when it ends without, or after the patience of the watchdog, with all that is known about it.
   */
  async next<Value = unknown>(event: string, patienceMs: number = PATIENCE_MS): Promise<Value> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const index = this.#lines.findIndex(([name]) => name === event);
      if (index >= 0) return (this.#lines.splice(index, 1)[0] as [string, Value])[1];
      if (this.#ending !== undefined) throw new Error(`it ended before '${event}'\n${this.diagnosis()}`);
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`no '${event}' within ${patienceMs} ms\n${this.diagnosis()}`);
      await this.#change(left);
    }
  }

  /** As {@link next}, but undefined when it ends by itself without. @throws after the patience, or when it fails. */
  async nextOrEnd<Value = unknown>(event: string, patienceMs: number = PATIENCE_MS): Promise<Value | undefined> {
    try {
      return await this.next<Value>(event, patienceMs);
    } catch (error) {
      if (this.#ending?.code === 0) return undefined;
      throw error;
    }
  }

  /** The values of all lines with that event that have come and not been asked for. */
  all<Value = unknown>(event: string): Value[] {
    const found = this.#lines.filter(([name]) => name === event).map(([, value]) => value as Value);
    this.#lines.splice(0, this.#lines.length, ...this.#lines.filter(([name]) => name !== event));
    return found;
  }

  /** Waits for its end by itself. @throws unless it exits with 0 within the patience. */
  async success(patienceMs: number = PATIENCE_MS): Promise<void> {
    const { code, signal } = await this.end(patienceMs);
    if (code !== 0) throw new Error(`it ended with ${signal ?? code}\n${this.diagnosis()}`);
  }

  /** Waits for its end, whatever way. @throws after the patience. */
  async end(patienceMs: number = PATIENCE_MS): Promise<Ending> {
    const deadline = performance.now() + patienceMs;
    while (this.#ending === undefined) {
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`it did not end within ${patienceMs} ms\n${this.diagnosis()}`);
      await this.#change(left);
    }
    return this.#ending;
  }

  /** All that is known about it, for the message of a failure. */
  diagnosis(): string {
    return [
      `program ${this.name}, process ${this.pid}: ${JSON.stringify(this.#ending) ?? `running\n${kernelView(this.pid)}`}`,
      `last lines:\n${this.#history.slice(-20).join('\n')}`,
      `standard error:\n${this.#stderr.slice(-4000)}`,
    ].join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ending === undefined) this.kill();
    await this.ended;
  }

  /** Resolves at its next line, at its end, or when the time is over. */
  #change(patienceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, patienceMs);
      this.#waiting.add(wake);
    });
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }
}

/** Several running programs, killed together at the end of the scope. */
export class Cast implements AsyncDisposable {
  readonly #programs: Program[] = [];

  /** Starts one more; as the constructor of {@link Program}. */
  start(name: string, parameters?: unknown, options?: ProgramOptions): Program {
    const program = new Program(name, parameters, options);
    this.#programs.push(program);
    return program;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#programs.map((program) => program[Symbol.asyncDispose]()));
  }
}

/** Runs a program to its successful end; returns the values that it printed under `event`. */
export async function runProgram<Value = unknown>(
  name: string,
  parameters: unknown = null,
  { event = 'result', patienceMs, ...options }: ProgramOptions & { event?: string; patienceMs?: number } = {},
): Promise<Value[]> {
  await using program = new Program(name, parameters, options);
  await program.success(patienceMs);
  return program.all<Value>(event);
}

/** Why tests that need root do not run here, or null when they do. */
export const whyNotRoot: string | null = process.getuid?.() === 0 ? null : 'needs root';

function parse(line: string): [event: string, value: unknown] {
  try {
    return JSON.parse(line);
  } catch {
    return ['text', line];
  }
}

/** State, place in the kernel and processor time of each of a process's threads. */
function kernelView(pid: number): string {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const wchan = readFileSync(`/proc/${pid}/wchan`, 'utf8');
    return `${/^State:.*$/m.exec(status)?.[0]}, main thread in ${wchan || 'user space'}`;
  } catch {
    return 'not to be seen in /proc';
  }
}
