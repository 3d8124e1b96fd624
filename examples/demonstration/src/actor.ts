// The parent's side of a child program.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Complaint } from './complaint.ts';
import type { Report } from './role.ts';

/** Who dies of a fault leaves a dump of all its memory, which nobody would look at here. */
const WITHOUT_CORE = ['/bin/sh', '-c', 'ulimit -c 0; exec "$@"', 'sh'];

/** A program in a process of its own. Made by {@link Stage.start}. */
export class Actor<Result = unknown> {
  readonly pid: number;
  /** Rejects when the program ends before it is ready. */
  readonly ready: Promise<void>;
  /** What the program, and the programs it started, reported as their results. Rejects when it failed or was killed. */
  readonly result: Promise<Result>;
  /** Resolves when the process is gone and all it wrote has been read. */
  readonly gone: Promise<void>;
  /** Called with each progress report. */
  onProgress: (progress: number) => void = () => {};
  /** Called with each event. */
  onEvent: (event: object) => void = () => {};
  /** Whether its death is a part of the play, and no failure. */
  readonly isDoomed: boolean;
  readonly #child: ChildProcess;
  #result: object = {};
  #failure: string | undefined;

  constructor(program: URL, args: readonly (string | number)[], isDoomed = false) {
    const path = fileURLToPath(program);
    const [command, ...words] = [...(isDoomed ? WITHOUT_CORE : []), process.execPath, path, ...args.map(String)];
    const child = spawn(command, words, {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // Ctrl-C reaches all that is in the foreground; its death by that would be taken for a failure
    });
    this.#child = child;
    this.isDoomed = isDoomed;
    this.pid = child.pid as number;
    this.gone = new Promise((resolve) => child.once('close', () => resolve()));
    child.on('error', (error) => this.#hear({ failure: error.message }, () => {}));
    let complaints = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaints += text;
    });
    this.result = this.gone.then(() => {
      if (this.#failure !== undefined) throw new Complaint(this.#failure);
      if (child.exitCode === 0) return this.#result as Result;
      throw new Error(`${path} ended with ${child.exitCode ?? child.signalCode}: ${complaints.trim()}`);
    });
    this.ready = new Promise((resolve, reject) => {
      createInterface(child.stdout).on('line', (line) => this.#hear(JSON.parse(line), resolve));
      this.result.then(() => reject(new Error(`${path} ended before it was ready`)), reject);
    });
    // Whoever awaits them learns of a rejection; nobody has to.
    for (const promise of [this.ready, this.result]) promise.catch(() => {});
  }

  /** The signal that it has died of. */
  get signal(): NodeJS.Signals | null {
    return this.#child.signalCode;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Asks it to come to its end. */
  askToEnd(): void {
    this.#child.kill('SIGTERM');
  }

  #hear({ ready, progress, event, result, failure }: Report, beReady: () => void): void {
    if (ready) beReady();
    if (progress !== undefined) this.onProgress(progress);
    if (event !== undefined) this.onEvent(event);
    if (result !== undefined) this.#result = { ...this.#result, ...result };
    this.#failure ??= failure;
  }
}
