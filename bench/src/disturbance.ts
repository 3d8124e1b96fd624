import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Cores } from './child-group.ts';
import { median } from './statistics.ts';

/** What other than the benchmark happened to a sample. */
export interface Disturbance {
  /** Processor time of other programs, and time the host took away: both in cores. */
  readonly foreignCores: number;
  readonly stolenCores: number;
  /** What a cache line took from core to core and back, before and after. */
  readonly bounceNs: readonly number[];
}

const quietForeignCores = 0.08;
const quietStolenCores = 0.05;
const homeTolerance = 1.5;
const patienceMs = 10_000;
const vainWaitsBeforeGivingUp = 3;
const ticksPerSecond = 100;

interface Reading {
  readonly atMs: number;
  /** Of all processes but this one and those that it has started and seen end. */
  readonly foreignSeconds: number;
  readonly stolenSeconds: number;
}

/**
 * Tells disturbed samples from sound ones. Two things disturb: other programs and the host, seen in /proc/stat; and the
 * host's moving of the virtual CPUs, seen in the time that a cache line takes between them (native/probe.c), which
 * changes by a factor of five within seconds and every result with it.
 */
export class DisturbanceMeter {
  readonly #probe: readonly string[] | undefined;
  readonly #bouncesNs: number[] = [];
  #vainWaits = 0;

  /** @param probe the path of the native probe, where it could be built */
  constructor(probe: string | undefined, cores: Cores | undefined) {
    this.#probe = probe && cores ? [probe, String(cores.producer), String(cores.consumer)] : undefined;
  }

  /** The bounce time that this machine shows most of the time: the one that samples are held to. */
  get homeNs(): number {
    return median(this.#bouncesNs);
  }

  /** Learns the home bounce time before the first sample. */
  async settle(): Promise<void> {
    for (let reading = 0; reading < 21; reading++) {
      this.#bounce();
      await delay(50);
    }
  }

  /**
   * Waits, within limits, until nothing disturbs; returns whether that came. Where it never comes, because somebody else
   * keeps a core busy, it stops waiting for it, so that a run still ends.
   */
  async quiet(): Promise<boolean> {
    const patience = this.#vainWaits < vainWaitsBeforeGivingUp ? patienceMs : 0;
    const deadlineMs = Date.now() + patience;
    do {
      const watch = this.start();
      await delay(60);
      if (!this.isDisturbed(watch.stop())) {
        this.#vainWaits = 0;
        return true;
      }
    } while (Date.now() < deadlineMs);
    this.#vainWaits++;
    return false;
  }

  start(): { stop: () => Disturbance } {
    const before = this.#bounce();
    const started = read();
    return {
      stop: () => {
        const ended = read();
        const elapsedSeconds = (ended.atMs - started.atMs) / 1000;
        return {
          foreignCores: Math.max(0, ended.foreignSeconds - started.foreignSeconds) / elapsedSeconds,
          stolenCores: (ended.stolenSeconds - started.stolenSeconds) / elapsedSeconds,
          bounceNs: [before, this.#bounce()].filter((ns) => ns > 0),
        };
      },
    };
  }

  isDisturbed({ foreignCores, stolenCores, bounceNs }: Disturbance): boolean {
    const { homeNs } = this;
    return (
      foreignCores > quietForeignCores ||
      stolenCores > quietStolenCores ||
      bounceNs.some((ns) => ns > homeNs * homeTolerance || ns < homeNs / homeTolerance)
    );
  }

  /** A single number to choose the least disturbed of several samples by. */
  severity({ foreignCores, stolenCores, bounceNs }: Disturbance): number {
    const { homeNs } = this;
    return foreignCores + stolenCores + Math.max(0, ...bounceNs.map((ns) => Math.abs(Math.log(ns / homeNs))));
  }

  #bounce(): number {
    if (!this.#probe) return 0;
    const [file, ...argv] = this.#probe;
    const ns = Number(execFileSync(file, argv, { encoding: 'utf8' }));
    this.#bouncesNs.push(ns);
    return ns;
  }
}

function read(): Reading {
  const [total] = readFileSync('/proc/stat', 'utf8').split('\n');
  const [user, nice, system, , , interrupts, softInterrupts, stolen] = total.trim().split(/\s+/).slice(1).map(Number);
  // utime, stime, cutime, cstime: the fields 14 to 17, counted after the name in parentheses, which may hold spaces.
  const own = readFileSync('/proc/self/stat', 'utf8').split(') ').at(-1) as string;
  const ownTicks = own.split(' ').slice(11, 15).map(Number);
  const foreignTicks =
    user + nice + system + interrupts + softInterrupts - ownTicks.reduce((sum, ticks) => sum + ticks);
  return {
    atMs: performance.now(),
    foreignSeconds: foreignTicks / ticksPerSecond,
    stolenSeconds: stolen / ticksPerSecond,
  };
}
