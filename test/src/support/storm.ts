import { Program } from './program.ts';
import type { Random } from './random.ts';
import { pause } from './speech.ts';

/*
 * Storms: processes that write and read, of whom a random one is killed or stopped all the time. What they did is in their
 * journals (see ../ring/storm-journal.ts), and what that has to be is for each test to judge.
 */

/** How long each storm lasts: MEMLANE_STORM=600 for a long one. */
export const STORM_S: number = Number(process.env.MEMLANE_STORM ?? 2);

/** Ends on each side, where there may be many: fewer in a short storm, which would be over before eight have begun. */
export const CROWD: number = STORM_S < 7 ? 3 : 8;

/** Longest for one file, so that journals stay short and lives can be numbered. */
const ROUND_S = 60;

/** Fewest deaths in a storm, however busy the machine. */
const FEWEST_KILLS = 8;

/** Processes that stand by, so that a death costs no start of a process. */
const UNDERSTUDIES = 3;

/** Longest for a test that has a storm: a watchdog for a busy machine, not an expectation. */
export const STORM_WATCHDOG_MS: number = 120_000 + STORM_S * 3000;

/** What came of a storm; summed over its files. */
export type Figures = Record<string, number>;

/** Has as many storms, each over a file of its own, as that time takes. Tells the figures of a long one. */
export async function storms(
  name: string,
  seconds: number,
  storm: (seconds: number) => Promise<Figures>,
): Promise<Figures> {
  const total: Figures = { files: 0 };
  for (let left = seconds; left > 0; left -= ROUND_S) {
    const figures = { files: 1, ...(await storm(Math.min(left, ROUND_S))) };
    for (const [what, count] of Object.entries(figures)) total[what] = (total[what] ?? 0) + count;
  }
  if (STORM_S >= 10) process.stdout.write(`storm of ${seconds} s, ${name}: ${JSON.stringify(total)}\n`);
  return total;
}

/** A place in a storm, which one life after the other takes. */
interface Seat {
  readonly role: string;
  /** What its next life is told, besides its number. */
  readonly part: () => object;
  current: Program | undefined;
}

/** Everybody who takes part in a storm. */
export class Stage implements AsyncDisposable {
  kills = 0;
  stops = 0;
  readonly #seats: Seat[] = [];
  readonly #standby: Program[] = [];
  readonly #random: Random;
  readonly #hire: () => Program;
  #lives = 0;

  /** @param program says 'ready', is told `{ life, count, ...part }`, and says 'ended' at the end of its stream. */
  constructor(random: Random, program: string, parameters: object) {
    this.#random = random;
    this.#hire = () => new Program(program, parameters);
  }

  seat(role: string, part: () => object): void {
    this.#seats.push({ role, part, current: undefined });
  }

  /** Everybody begins; then, for that long, one or two at a time are stopped, killed and succeeded, every 20 to 200 ms. */
  async rage(seconds: number): Promise<void> {
    await Promise.all(this.#seats.map((seat) => this.#enter(seat)));
    const deadline = performance.now() + seconds * 1000;
    while (performance.now() < deadline || this.kills < FEWEST_KILLS) {
      await pause(this.#random.between(20, 200));
      const victims = new Set([this.#random.pick(this.#seats)]);
      if (this.#random.chance(0.2)) victims.add(this.#random.pick(this.#seats));
      if (this.#random.chance(0.3)) {
        for (const { current } of victims) current?.kill('SIGSTOP');
        this.stops += victims.size;
        await pause(this.#random.pick([0, 5, 30, 150]));
        if (this.#random.chance(0.7)) {
          for (const { current } of victims) current?.kill('SIGCONT');
          continue;
        }
      }
      await Promise.all([...victims].map((victim) => this.#replace(victim)));
      this.kills += victims.size;
    }
  }

  /** The last life in each seat of that role, which writes `count` messages and the end of its stream. */
  async finish(role: string, count: number): Promise<void> {
    const seats = this.#of(role);
    await Promise.all(seats.map((seat) => this.#replace(seat, count)));
    this.kills += seats.length;
    await this.ended(role);
  }

  /** Waits until everybody of that role has seen the end. */
  async ended(role: string): Promise<void> {
    for (const { current } of this.#of(role)) await current?.next('ended', 60_000);
  }

  diagnosis(): string {
    return this.#seats.map(({ current }) => current?.diagnosis()).join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const programs = [...this.#standby, ...this.#seats.map(({ current }) => current)];
    await Promise.all(programs.map((program) => program?.[Symbol.asyncDispose]()));
  }

  #of(role: string): Seat[] {
    return this.#seats.filter((seat) => seat.role === role);
  }

  async #enter(seat: Seat, count = 0): Promise<void> {
    const program = this.#standby.shift() ?? this.#hire();
    seat.current = program;
    while (this.#standby.length < UNDERSTUDIES) this.#standby.push(this.#hire());
    await program.next('ready');
    program.tell(JSON.stringify({ ...seat.part(), life: this.#lives++, count }));
  }

  async #replace(seat: Seat, count = 0): Promise<void> {
    const { current } = seat;
    current?.kill();
    const ending = await current?.end();
    if (ending?.signal !== 'SIGKILL') throw new Error(`a ${seat.role} did not live to be killed`);
    await this.#enter(seat, count);
  }
}
