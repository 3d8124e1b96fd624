import { nameOf, type Store } from './places.ts';

/*
 * How code that was written to run through is stopped before each of its steps. It is run from its beginning with the
 * results of the steps that it has made already, which touches nothing shared; at the first step without a result it is
 * left by an exception. So no thread, no change of the code and no copy of its private state is needed, as long as it
 * does the same whenever it is given the same results.
 */

/**
 * How a step touches its word. Two steps on a word race when one of them stores and one of them is plain; not when one is
 * racy, which is a plain one of which the code finds out afterwards whether it can believe it.
 */
export type Access = 'load' | 'store' | 'update' | 'plain load' | 'plain store' | 'racy load' | 'racy store' | 'call';

/** Something that happens at one instant, as far as the other actors can tell. */
export interface Step {
  readonly access: Access;
  /** Its word, or -1 for a call of the kernel. */
  readonly place: number;
  readonly label: string;
  /** Its result is always 0: the code can be run on without making it. */
  readonly mute: boolean;
  /** Ways in which it can turn out in one state. */
  readonly choices: number;
  /** Every shared word that it may look at or change. */
  readonly touches: () => readonly number[];
  /** Makes it; undefined when it cannot be made in this state. */
  apply(store: Store, actor: number, choice: number): number | undefined;
}

/** What an actor has done or seen, for the judge. */
export interface Note {
  readonly event: string;
  readonly value: number;
}

/** What stops a run: thrown out of a step, and again out of every further one, so that no `finally` gets anywhere. */
const STOP: unique symbol = Symbol('stop');

/** A step of the part that is repeated: what it was, and what came of it. */
export interface Past {
  readonly access: Access;
  readonly place: number;
  readonly result: number;
}

/** One execution of an actor's program. */
export class Run {
  readonly actor: number;
  readonly notes: Note[] = [];
  readonly #past: readonly Past[];
  readonly #arrive: Arrive;
  #made = 0;
  #over = false;
  /** Descriptors that are open, one bit each; FIFOs made so far. */
  descriptors = 0;
  fifos = 0;
  /** The lock that could not be had last: what a pause is for. */
  contested = -1;
  /** What this event loop listens to. */
  readonly sources: Source[] = [];
  #checkpoint: string | undefined;

  constructor(actor: number, past: readonly Past[], arrive: Arrive) {
    this.actor = actor;
    this.#past = past;
    this.#arrive = arrive;
  }

  /** The result of the next step. `describe` is called for one that has not been made yet. */
  next(access: Access, place: number, describe: () => Omit<Step, 'access' | 'place'>): number {
    if (this.#over) throw STOP;
    if (this.#made < this.#past.length) {
      const past = this.#past[this.#made++] as Past;
      if (past.access !== access || past.place !== place)
        throw new Error(`Not deterministic: ${access} ${nameOf(place)} after ${past.access} ${nameOf(past.place)}`);
      return past.result;
    }
    const step = { access, place, ...describe() };
    const known = this.#arrive(step, this.notes, this.#checkpoint);
    this.#checkpoint = undefined;
    if (!known && step.mute) return 0;
    this.#over = true;
    throw STOP;
  }

  /** Says that `describe` tells all that the next steps depend on, besides what they find in the shared words. */
  checkpoint(describe: () => string): void {
    if (this.#over || this.#made < this.#past.length) return;
    const { descriptors, fifos, contested, sources } = this;
    const listens = sources.map(({ label }) => label);
    this.#checkpoint = [descriptors, fifos, contested, ...listens, describe()].join();
  }
}

/**
 * Told each step that is reached beyond the past, what has been noted, and the private state if it is known; returns
 * whether an actor in that state has been there before, so that there is no need to go on.
 */
type Arrive = (step: Step, notes: readonly Note[], state: string | undefined) => boolean;

/** Something that can wake an event loop: a bell of its own, or the life of a peer. */
export interface Source {
  /** Whether it can, in this state; takes what it wakes by. */
  fire(store: Store): boolean;
  readonly label: string;
  readonly touches: () => readonly number[];
  readonly listener: () => void;
}

let current: Run | undefined;

/** The run that is under way: module-wide, because the code that is run knows nothing of it. */
export function run(): Run {
  if (current === undefined) throw new Error('Only an actor touches shared memory');
  return current;
}

/** A call of the kernel. */
export function call(label: string, touches: Step['touches'], apply: Step['apply'], mute = false): number {
  return run().next('call', -1, () => ({ label, mute, choices: 1, touches, apply }));
}

/** How a run ended. */
export type Outcome = 'stopped' | 'finished' | { readonly error: unknown };

/** Executes an actor's program until it is stopped, ends or fails. */
export async function execute(under: Run, program: () => void | Promise<void>): Promise<Outcome> {
  current = under;
  let outcome: Outcome | undefined;
  const fail = (error: unknown): void => {
    outcome = error === STOP ? 'stopped' : { error };
  };
  try {
    const promise = program();
    if (promise === undefined) return 'finished';
    promise.then(() => {
      outcome = 'finished';
    }, fail);
  } catch (error) {
    fail(error);
    return outcome as unknown as Outcome;
  }
  for (;;) {
    await turn();
    if (outcome !== undefined) return outcome;
    try {
      awaitSource(under);
    } catch (error) {
      fail(error);
      await turn(); // what is left of this run must not go on in the next
      return outcome as unknown as Outcome;
    }
  }
}

/** Its promises wait for an event: the event loop sleeps until one of its sources can fire. */
function awaitSource(under: Run): void {
  const sources = [...under.sources];
  const chosen = under.next('call', -1, () => ({
    label: 'sleep in the event loop',
    mute: false,
    choices: sources.length,
    touches: () => sources.flatMap(({ touches }) => touches()),
    apply: (store, _actor, choice) => (sources[choice]?.fire(store) ? choice : undefined),
  }));
  sources[chosen]?.listener();
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
