import { execute, type Note, type Past, Run, type Step } from './run.ts';

/*
 * What an actor has seen is all that decides what it does next. So its states are the sequences of results that it was
 * given, kept as a tree: its program is run once for each of them, whatever the others did meanwhile, and two states of
 * the world in which each actor is at the same place of its tree and the shared words are the same are one state. Where
 * a program can tell its whole private state, sequences that lead to the same one are joined again.
 */

/** An actor before its next step. */
export interface Moment {
  readonly id: number;
  readonly parent: Moment | undefined;
  /** Result of the parent's step that led here. */
  readonly result: number;
  /** Undefined when it has ended. */
  readonly step: Step | undefined;
  /** What it has failed with. */
  readonly failure: unknown;
  readonly notes: readonly Note[];
  /** The plain accesses since its last synchronizing step: whatever others do now is unordered with them. */
  readonly segment: readonly Step[];
  readonly next: Map<number, Moment>;
}

/** More steps than any scenario makes: an actor that goes on for ever must not look like a long search. */
const LONGEST = 2000;

/** The tree of one actor. */
export class History {
  readonly actor: number;
  readonly #begin: () => void | Promise<void>;
  readonly #joining: boolean;
  readonly moments: Moment[] = [];
  readonly #checkpoints = new Map<string, Moment>();
  /** Executions of the program. */
  runs = 0;

  /**
   * @param begin makes the actor's private objects anew and runs its program on them.
   * @param joining whether sequences that lead to the same private state are joined.
   */
  constructor(actor: number, begin: () => void | Promise<void>, joining: boolean) {
    this.actor = actor;
    this.#begin = begin;
    this.#joining = joining;
  }

  root(): Promise<Moment> {
    return this.#run(undefined, 0);
  }

  /** The actor when it has been killed: nothing is left but what it has done. */
  killed({ notes }: Moment): Moment {
    const key = `${textOf(notes)} killed`;
    let moment = this.#checkpoints.get(key);
    if (moment === undefined) {
      moment = {
        id: this.moments.length,
        parent: undefined,
        result: 0,
        step: undefined,
        failure: undefined,
        segment: [],
        notes,
        next: new Map(),
      };
      this.moments.push(moment);
      this.#checkpoints.set(key, moment);
    }
    return moment;
  }

  /** The actor after its step had that result. */
  after(moment: Moment, result: number): Moment | Promise<Moment> {
    return moment.next.get(result) ?? this.#run(moment, result);
  }

  async #run(from: Moment | undefined, result: number): Promise<Moment> {
    this.runs += 1;
    const past = pastOf(from, result);
    if (past.length > LONGEST) throw new Error(`Actor ${this.actor} makes more than ${LONGEST} steps`);
    let last = from;
    let lastResult = result;
    let first: Moment | undefined;
    const arrive = (step: Step | undefined, notes: readonly Note[], state?: string, failure?: unknown): boolean => {
      const before = last?.step;
      const segment = before === undefined ? [] : segmentAfter(last as Moment, before);
      const accesses = segment.map(({ access, place }) => access + place);
      const key = state === undefined || !this.#joining ? undefined : `${textOf(notes)} ${accesses} ${state}`;
      const known = key === undefined ? undefined : this.#checkpoints.get(key);
      if (known !== undefined) {
        last?.next.set(lastResult, known);
        first ??= known;
        return true;
      }
      // Moments between which nothing was noted share the list.
      const unchanged = last !== undefined && last.notes.length === notes.length;
      const moment: Moment = {
        id: this.moments.length,
        parent: last,
        result: lastResult,
        step,
        failure,
        segment,
        notes: unchanged ? (last as Moment).notes : [...notes],
        next: new Map(),
      };
      this.moments.push(moment);
      last?.next.set(lastResult, moment);
      first ??= moment;
      last = moment;
      lastResult = 0;
      if (key !== undefined) this.#checkpoints.set(key, moment);
      return false;
    };
    const run = new Run(this.actor, past, arrive);
    const outcome = await execute(run, this.#begin);
    if (outcome !== 'stopped')
      arrive(
        undefined,
        run.notes,
        outcome === 'finished' ? 'ended' : undefined,
        outcome === 'finished' ? undefined : outcome.error,
      );
    if (first === undefined) throw new Error(`Actor ${this.actor} stopped without a step`);
    return first;
  }
}

export function isPlain({ access }: Step): boolean {
  return access === 'plain load' || access === 'plain store';
}

/** Whether a step orders nothing, and is known not to be ordered with those of others. */
export function isRacy({ access }: Step): boolean {
  return access === 'racy load' || access === 'racy store';
}

function segmentAfter({ segment }: Moment, step: Step): readonly Step[] {
  if (isRacy(step)) return segment;
  return isPlain(step) ? [...segment, step] : [];
}

function textOf(notes: readonly Note[]): string {
  return notes.map(({ event, value }) => `${event} ${value}`).join();
}

function pastOf(moment: Moment | undefined, result: number): Past[] {
  const past: Past[] = [];
  let given = result;
  for (let at = moment; at !== undefined; at = at.parent) {
    const { access, place } = at.step as Step;
    past.push({ access, place, result: given });
    given = at.result;
  }
  return past.reverse();
}
