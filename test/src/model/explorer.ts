import { History, isPlain, isRacy, type Moment } from './history.ts';
import { BURIED, DEATHS, kill, LOCKS_DROPPED } from './kernel.ts';
import { CAPACITY, emptyStore, place, type Store } from './places.ts';
import type { Access, Note, Step } from './run.ts';

/*
 * Breadth-first search through every order in which the actors' steps can happen, so that the first violation is one of
 * the shortest, and a state that is reached again is not left again. Of schedules that differ only in the order of
 * steps that do not concern each other, one is enough; an actor's next step is made at once, without a look at what the
 * others might do before, when it is
 *
 * - plain: another actor whose step on that word came before it would race with it, and races are looked for (unless the
 *   word is one that somebody reads or writes racily); or
 * - on words that no other actor touches as long as this one lives. That is assumed of every word until a second actor
 *   touches it; then the search begins anew. (If some schedule had the second actor come first, then one in which it
 *   comes later is not longer, so it is met.)
 *
 * Such a step leaves no choice to the others, so nothing may be lost by it: not while somebody else may yet be killed,
 * which is allowed only so many times, and not when the judge is interested in what it notes.
 */

/** Somebody who takes part in a scenario. */
export interface Actor {
  readonly name: string;
  /** Makes its private objects anew and runs its program on them. */
  readonly begin: () => void | Promise<void>;
  /** It runs alone up to its first note before the search begins. */
  readonly prepared?: boolean;
  /** May be killed at any moment. */
  readonly mortal?: boolean;
  /** Comes when that one is dead as far as its locks tell. */
  readonly after?: string;
  /** Comes when that one has ended by itself. */
  readonly afterEnd?: string;
}

/** An actor, as the judge sees it. */
export interface Seen {
  readonly name: string;
  readonly state: 'waiting to start' | 'running' | 'asleep' | 'ended' | 'dead';
  readonly notes: readonly Note[];
}

export interface Scenario {
  readonly actors: readonly Actor[];
  /** How many of them may be killed in one schedule. */
  readonly kills: number;
  readonly prepare: (store: Store) => void;
  /** Says what is wrong in a state that can be left; undefined when nothing. */
  readonly always?: (actors: readonly Seen[], store: Store) => string | undefined;
  /** The same for a state in which nobody can make a step. */
  readonly atEnd: (actors: readonly Seen[], store: Store) => string | undefined;
}

interface Violation {
  readonly message: string;
  /** The steps, from the beginning. */
  readonly schedule: readonly string[];
}

export interface Exploration {
  readonly states: number;
  readonly steps: number;
  /** Schedules from the beginning to an end; 0 when the search was ended by a violation. */
  readonly schedules: bigint;
  readonly ends: number;
  /** The most steps that the shortest way to a state has. */
  readonly levels: number;
  /** Different sequences of results that actors were given, and the executions that it took. */
  readonly histories: number;
  readonly runs: number;
  readonly seconds: number;
  readonly violation?: Violation;
}

type Label = () => string;

/** Each actor's moment, and the shared words. */
interface World {
  readonly moments: readonly Moment[];
  readonly store: Store;
}

/** A world that was visited, or is to be. */
interface State extends World {
  readonly index: number;
}

/** A world after one step more. */
interface Change extends World {
  readonly label: Label;
}

/** A world that steps from a state have led to, and what is wrong in it. */
interface Reached {
  readonly world: World;
  readonly labels: readonly Label[];
  readonly message: string | undefined;
}

/** How a state was reached first: from which one, by which steps. */
interface Arrival {
  readonly from: number;
  readonly labels: readonly Label[];
}

/** What makes a search smaller without its finding less, and can be left out to see that. */
export interface Reductions {
  /** Whether every step is made in every order. Longer, but the first violation is then the shortest of all. */
  readonly full?: boolean;
  /** Whether two actors with the same private state are different when they have come to it differently. */
  readonly apart?: boolean;
}

export async function explore(
  scenario: Scenario,
  { full = false, apart = false }: Reductions = {},
): Promise<Exploration> {
  const histories = scenario.actors.map(({ begin }, index) => new History(index, begin, !apart));
  const known: KnownWords = { contended: new Set(), racy: new Set() };
  if (!full) await new Explorer(scenario, histories, known, true).scout();
  for (;;) {
    try {
      return await new Explorer(scenario, histories, known, full).search();
    } catch (error) {
      if (error !== MISTAKEN) throw error;
    }
  }
}

/** What earlier attempts have found out about the words: those that two touch who can meet, and those touched racily. */
interface KnownWords {
  readonly contended: Set<number>;
  readonly racy: Set<number>;
}

const WRITES: ReadonlySet<Access> = new Set(['store', 'update', 'plain store', 'racy store']);
/** Ways that are gone before the search. */
const SCOUTS = 48;
/** That a dead actor's FIFOs are closed counts as another actor's step: its heir may be there already. */
const BURIAL = 16;

/** Thrown when a word that was taken for one actor's is another's, too. */
const MISTAKEN: unique symbol = Symbol('mistaken');

class UnknownMoment extends Error {
  readonly actor: number;
  readonly moment: Moment;
  readonly result: number;

  constructor(actor: number, moment: Moment, result: number) {
    super('The search goes on when the program has been run');
    this.actor = actor;
    this.moment = moment;
    this.result = result;
  }
}

class Explorer {
  readonly #scenario: Scenario;
  readonly #histories: readonly History[];
  readonly #predecessors: readonly number[];
  readonly #arrivals: Arrival[] = [];
  readonly #indexes = new Map<string, number>();
  readonly #storeIds = new Map<string, number>();
  /** States that each state leads to, one for each step. */
  readonly #ways: number[][] = [];
  /** States in which nobody can make a step; though somebody may still be killed. */
  readonly #ends = new Set<number>();
  /** Actors that touch a word, as bits. */
  readonly #touchedBy: Int32Array = new Int32Array(CAPACITY);
  readonly #contended: Set<number>;
  readonly #racy: Set<number>;
  readonly #full: boolean;
  readonly #dead: readonly number[];
  readonly #deaths: number = place('deaths');
  #next: State[] = [];
  #steps = 0;
  #violation: Violation | undefined;

  constructor(scenario: Scenario, histories: readonly History[], known: KnownWords, full: boolean) {
    this.#scenario = scenario;
    this.#histories = histories;
    this.#contended = known.contended;
    this.#racy = known.racy;
    this.#full = full;
    this.#dead = histories.map((_, actor) => place(`dead ${actor}`));
    const { actors } = scenario;
    this.#predecessors = actors.map(({ after, afterEnd }) =>
      actors.findIndex(({ name }) => name === (after ?? afterEnd)),
    );
  }

  async search(): Promise<Exploration> {
    const since = process.hrtime.bigint(); // a bed may stop the other clocks
    await this.#begin();
    let levels = 0;
    for (; this.#next.length > 0 && this.#violation === undefined; levels++) {
      const level = this.#next;
      this.#next = [];
      for (const state of level) {
        await this.#leave(state);
        if (this.#violation !== undefined) break;
      }
    }
    const violation = this.#violation;
    const sum = (count: (history: History) => number): number =>
      this.#histories.reduce((all, of) => all + count(of), 0);
    return {
      states: this.#arrivals.length,
      steps: this.#steps,
      schedules: violation === undefined ? countPaths(this.#ways, this.#ends) : 0n,
      ends: this.#ends.size,
      levels: levels,
      histories: sum(({ moments }) => moments.length),
      runs: sum(({ runs }) => runs),
      seconds: Number(process.hrtime.bigint() - since) / 1e9,
      violation,
    };
  }

  /** Goes some ways at random, always the same ones, to find most of the contended words before a search is built on them. */
  async scout(): Promise<void> {
    await this.#begin();
    const [first] = this.#next;
    let random = 1;
    for (let walk = 0; walk < SCOUTS; walk++) {
      for (let world: World | undefined = first; world !== undefined; ) {
        const [from, reached]: [World, Reached[]] = [world, []];
        await this.#whenKnown(() => {
          reached.length = 0;
          this.#makeAll(from, reached);
        });
        // Seldom a death: there are only so many, and most is found while everybody lives.
        for (let draw = 0; draw < 4; draw++) {
          random = (Math.imul(random, 1103515245) + 12345) >>> 0;
          world = reached[(random >>> 8) % reached.length]?.world;
          if (world?.store[this.#deaths] === from.store[this.#deaths]) break;
        }
      }
    }
  }

  async #begin(): Promise<void> {
    const store = emptyStore();
    this.#scenario.prepare(store);
    const moments: Moment[] = [];
    for (const history of this.#histories) moments.push(await history.root());
    for (const [index, { prepared, name }] of this.#scenario.actors.entries()) {
      while (prepared && (moments[index] as Moment).notes.length === 0) {
        const moment = moments[index] as Moment;
        const result = moment.step?.apply(store, index, 0);
        if (result === undefined) throw new Error(`${name} could not be prepared`, { cause: moment.failure });
        moments[index] = await (this.#histories[index] as History).after(moment, result);
      }
    }
    const reached: Reached[] = [];
    await this.#whenKnown(() => {
      reached.length = 0;
      this.#arrive(reached, [], { moments, store });
    });
    this.#keep(-1, reached);
  }

  /** Runs a part of the search that has no effect, again and again until all moments that it needs are known. */
  async #whenKnown(attempt: () => void): Promise<void> {
    for (;;) {
      try {
        attempt();
        return;
      } catch (error) {
        if (!(error instanceof UnknownMoment)) throw error;
        await (this.#histories[error.actor] as History).after(error.moment, error.result);
      }
    }
  }

  /** Makes every step that can be made in a state. */
  async #leave(state: State): Promise<void> {
    const reached: Reached[] = [];
    let moved = false;
    await this.#whenKnown(() => {
      reached.length = 0;
      moved = this.#makeAll(state, reached);
    });
    if (!moved) this.#ends.add(state.index);
    const message = moved ? undefined : this.#scenario.atEnd(this.#see(state, 'asleep'), state.store);
    if (message !== undefined)
      this.#violation ??= { message, schedule: this.#wayTo({ from: state.index, labels: [] }) };
    this.#keep(state.index, reached);
  }

  /** Returns whether there was any step but the killing of somebody. */
  #makeAll(state: World, reached: Reached[]): boolean {
    const { moments } = state;
    let moved = false;
    for (let actor = 0; actor < moments.length; actor++) {
      for (const after of this.#bury(state, actor)) {
        this.#arrive(reached, [after.label], after);
        moved = true;
      }
      const { step } = moments[actor] as Moment;
      if (step === undefined || !this.#hasBegun(state, actor)) continue;
      for (let choice = 0; choice < step.choices; choice++) {
        const after = this.#make(state, actor, step, choice);
        if (after === undefined) continue;
        this.#arrive(reached, [after.label], after);
        moved = true;
      }
      this.#kill(reached, [], state, actor);
    }
    return moved;
  }

  /** The world after a step of an actor; undefined when it cannot be made. */
  #make({ moments, store }: World, actor: number, step: Step, choice: number): Change | undefined {
    const after = store.slice();
    const result = step.apply(after, actor, choice);
    if (result === undefined) return undefined;
    const moment = moments[actor] as Moment;
    const reached = moment.next.get(result);
    if (reached === undefined) throw new UnknownMoment(actor, moment, result);
    if (isRacy(step) && !this.#racy.has(step.place)) {
      this.#racy.add(step.place);
      if (!this.#full) throw MISTAKEN;
    }
    this.#touch(actor, step.touches());
    const label = (): string => this.#line(actor, step.mute ? step.label : `${step.label} -> ${result}`);
    return { moments: replaced(moments, actor, reached), store: after, label };
  }

  /** What the kernel may do next for a dead actor. */
  #bury({ moments, store }: World, actor: number, alone = false): Change[] {
    const dead = store[this.#dead[actor] as number] as number;
    if (dead === 0 || dead === BURIED) return [];
    return DEATHS.filter(
      ({ bit, touches }) => (dead & bit) === 0 && !(alone && touches(actor).some((word) => this.#contended.has(word))),
    ).map(({ bit, label, touches, apply }) => {
      const after = store.slice();
      after[this.#dead[actor] as number] = dead | bit;
      this.#touch(bit === LOCKS_DROPPED ? actor : actor + BURIAL, touches(actor));
      apply(after, actor);
      return { moments, store: after, label: () => this.#line(actor, label) };
    });
  }

  #kill(reached: Reached[], labels: readonly Label[], { moments, store }: World, actor: number): void {
    const moment = moments[actor] as Moment;
    if (moment.step === undefined || !this.#mayBeKilled(store, actor)) return;
    const after = store.slice();
    kill(after, actor);
    const killed = (this.#histories[actor] as History).killed(moment);
    const label = (): string => this.#line(actor, 'is killed');
    this.#arrive(reached, [...labels, label], { moments: replaced(moments, actor, killed), store: after });
  }

  /** Goes on from a world that has been reached by all the steps that concern nobody but who makes them. */
  #arrive(reached: Reached[], labels: readonly Label[], from: World): void {
    const way = [...labels];
    let world = from;
    for (;;) {
      const message = this.#judge(world);
      const after = message === undefined ? this.#makeAlone(reached, way, world) : undefined;
      if (after === undefined) {
        reached.push({ world, labels: way, message });
        return;
      }
      way.push(after.label);
      world = after;
    }
  }

  /** The world after a step that concerns nobody but who makes it, if one is next. */
  #makeAlone(reached: Reached[], labels: readonly Label[], world: World): Change | undefined {
    if (this.#full) return undefined;
    const { moments } = world;
    for (let actor = 0; actor < moments.length; actor++) {
      const [burial] = this.#bury(world, actor, true);
      if (burial !== undefined) return burial;
      const { step, notes } = moments[actor] as Moment;
      if (step === undefined || !this.#concernsNobody(world, actor, step) || !this.#hasBegun(world, actor)) continue;
      const after = this.#make(world, actor, step, 0);
      if (after === undefined) continue;
      if (this.#scenario.always !== undefined && after.moments[actor]?.notes !== notes) continue;
      this.#kill(reached, labels, world, actor);
      return after;
    }
    return undefined;
  }

  #keep(from: number, reached: readonly Reached[]): void {
    for (const { world, labels, message } of reached) {
      if (message !== undefined) this.#violation ??= { message, schedule: this.#wayTo({ from, labels }) };
      const key = this.#key(world);
      let index = this.#indexes.get(key);
      if (index === undefined) {
        index = this.#arrivals.length;
        this.#indexes.set(key, index);
        this.#arrivals.push({ from, labels });
        this.#ways.push([]);
        this.#next.push({ index, moments: world.moments, store: world.store });
      }
      if (from < 0) continue;
      this.#steps += labels.length;
      (this.#ways[from] as number[]).push(index);
    }
  }

  #mayBeKilled(store: Store, actor: number): boolean {
    const { actors, kills } = this.#scenario;
    return actors[actor]?.mortal === true && (store[this.#deaths] as number) < kills;
  }

  #concernsNobody({ moments, store }: World, actor: number, step: Step): boolean {
    if (step.choices !== 1) return false;
    const isOrdered = isPlain(step) && !this.#racy.has(step.place);
    if (!isOrdered && step.touches().some((word) => this.#contended.has(word))) return false;
    // A death more is a death less for others.
    return (
      !this.#mayBeKilled(store, actor) ||
      !moments.some((_, other) => other !== actor && this.#mayBeKilled(store, other))
    );
  }

  /** Notes who touches which words. */
  #touch(actor: number, words: readonly number[]): void {
    for (const word of words) {
      const others = (this.#touchedBy[word] as number) & ~(1 << actor);
      (this.#touchedBy[word] as number) |= 1 << actor;
      if (others === 0 || this.#contended.has(word)) continue;
      const meets = [...Array(BURIAL * 2).keys()].some(
        (other) => (others & (1 << other)) !== 0 && !this.#succeeds(actor, other),
      );
      if (!meets) continue;
      this.#contended.add(word);
      if (!this.#full) throw MISTAKEN;
    }
  }

  /** Whether one of two actors only comes when the other is gone. */
  #succeeds(one: number, other: number): boolean {
    return this.#predecessors[one] === other || this.#predecessors[other] === one;
  }

  #line(actor: number, text: string): string {
    return `${(this.#scenario.actors[actor] as Actor).name.padEnd(10)} ${text}`;
  }

  #hasBegun({ moments, store }: World, actor: number): boolean {
    const predecessor = this.#predecessors[actor] as number;
    if (predecessor < 0) return true;
    const dead = store[this.#dead[predecessor] as number] as number;
    if (this.#scenario.actors[actor]?.after !== undefined) return (dead & LOCKS_DROPPED) !== 0;
    return dead === 0 && (moments[predecessor] as Moment).step === undefined;
  }

  #key({ moments, store }: World): string {
    keyWords.set(store);
    const text = keyBytes.toString('latin1', 0, store.length * 4);
    let storeId = this.#storeIds.get(text);
    if (storeId === undefined) {
      storeId = this.#storeIds.size;
      this.#storeIds.set(text, storeId);
    }
    let key = String.fromCharCode(storeId & 0xffff, storeId >>> 16);
    for (const { id } of moments) key += String.fromCharCode(id & 0xffff, id >>> 16);
    return key;
  }

  #judge(world: World): string | undefined {
    const { moments, store } = world;
    const { actors, always } = this.#scenario;
    for (const [actor, { failure }] of moments.entries())
      if (failure !== undefined) return `${actors[actor]?.name} failed: ${(failure as Error).message ?? failure}`;
    return this.#race(world) ?? always?.(this.#see(world, 'running'), store);
  }

  #see(world: World, living: Seen['state']): Seen[] {
    return world.moments.map(({ notes, step }, actor): Seen => {
      const { name } = this.#scenario.actors[actor] as Actor;
      if (world.store[this.#dead[actor] as number] !== 0) return { name, notes, state: 'dead' };
      if (!this.#hasBegun(world, actor)) return { name, notes, state: 'waiting to start' };
      return { name, notes, state: step === undefined ? 'ended' : living };
    });
  }

  /**
   * A data race: an actor's next step and another's, or a plain one that the other has made since it last synchronized,
   * are on one word, one of them stores and one of them is plain. Nothing orders them, and in a search through all
   * orders every pair that nothing orders is met like this.
   */
  #race(world: World): string | undefined {
    const { moments, store } = world;
    const { actors } = this.#scenario;
    for (const [one, { step }] of moments.entries()) {
      if (step === undefined || step.place < 0 || !this.#hasBegun(world, one)) continue;
      for (const [other, moment] of moments.entries()) {
        if (other === one || store[this.#dead[other] as number] !== 0 || !this.#hasBegun(world, other)) continue;
        for (const access of moment.step === undefined ? moment.segment : [...moment.segment, moment.step]) {
          if (access.place !== step.place || !(isPlain(access) || isPlain(step))) continue;
          if (isRacy(access) || isRacy(step)) continue;
          if (!WRITES.has(access.access) && !WRITES.has(step.access)) continue;
          return `data race: ${actors[other]?.name} (${access.label}) and ${actors[one]?.name} (${step.label})`;
        }
      }
    }
    return undefined;
  }

  #wayTo({ from, labels }: Arrival): string[] {
    const schedule = [...labels].reverse();
    for (let at = from; at > 0; ) {
      const arrival = this.#arrivals[at] as Arrival;
      schedule.push(...[...arrival.labels].reverse());
      at = arrival.from;
    }
    return schedule.reverse().map((label) => label());
  }
}

function replaced(moments: readonly Moment[], actor: number, moment: Moment): Moment[] {
  const changed = moments.slice();
  changed[actor] = moment;
  return changed;
}

const keyWords = new Int32Array(256);
const keyBytes = Buffer.from(keyWords.buffer);

/** Ways from the first state, or from those that a death leads to before anybody else has a choice, to the ends. @throws when one of them goes round in a circle. */
function countPaths(ways: readonly (readonly number[])[], ends: ReadonlySet<number>): bigint {
  const arriving = new Int32Array(ways.length);
  for (const targets of ways) for (const target of targets) (arriving[target] as number)++;
  const paths = new Array<bigint>(ways.length).fill(0n);
  const ready = [...arriving.keys()].filter((state) => arriving[state] === 0);
  for (const state of ready) paths[state] = 1n;
  let total = 0n;
  let visited = 0;
  for (let state = ready.pop(); state !== undefined; state = ready.pop()) {
    visited += 1;
    const targets = ways[state] as readonly number[];
    if (ends.has(state)) total += paths[state] as bigint;
    for (const target of targets) {
      paths[target] = (paths[target] as bigint) + (paths[state] as bigint);
      if (--(arriving[target] as number) === 0) ready.push(target);
    }
  }
  if (visited < ways.length) throw new Error('There is a schedule without an end');
  return total;
}
