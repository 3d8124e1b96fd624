import type { Counters } from '@memlane/ring';
import { checkpoint, note } from './cell-bed.ts';
import type { CellScenarioName, COUNTER_SCENARIOS } from './cell-names.ts';
import { openModelCounters } from './counter-bed.ts';
import type { Actor, Scenario, Seen } from './explorer.ts';

/** Says that something is there, and how much: 'value' notes are compared with all 'added' ones. */
function lookAt(counters: Counters, label: string, times: number): void {
  for (let count = 0; count < times; count++) {
    checkpoint(counters, count);
    const value = counters.get(label);
    if (value !== undefined) note(`value of ${label}`, value);
  }
}

const nothing = (): void => {};

/** Adds 1 to a counter so many times. */
function add(label: string, times: number): () => void {
  return () => {
    const counter = openModelCounters().counter(label);
    note('attached');
    for (let count = 1; count <= times; count++) {
      checkpoint(counter, count);
      if (!counter.increment()) throw new Error(`counter ${label} is gone`);
      note(`added to ${label}`, 1);
    }
  };
}

/** Reads without a place of its own. */
function read(label: string, times: number): () => void {
  return () => lookAt(openModelCounters(), label, times);
}

const sumOf = (actors: readonly Seen[], event: string): number =>
  actors
    .flatMap(({ notes }) => notes)
    .filter((each) => each.event === event)
    .reduce((sum, { value }) => sum + value, 0);

const valuesOf = (actor: Seen | undefined, event: string): number[] =>
  (actor?.notes ?? []).filter((each) => each.event === event).map(({ value }) => value);

/** What may be left of a counter that was added to: what was noted, and at the most one more for each who was killed. */
function judgeCounter(actors: readonly Seen[], label: string): string | undefined {
  const reader = actors.find(({ name }) => name === 'reader');
  const read = valuesOf(reader, `value of ${label}`);
  for (const [index, value] of read.entries())
    if (value < (read[index - 1] ?? 0)) return `counter ${label} went back from ${read[index - 1]} to ${value}`;
  const added = sumOf(actors, `added to ${label}`);
  const most = added + actors.filter(({ state }) => state === 'dead').length;
  const last = valuesOf(
    actors.find(({ name }) => name === 'auditor'),
    `value of ${label}`,
  ).at(-1);
  for (const value of read) if (value > most) return `counter ${label} was ${value} when ${most} were added`;
  if (last !== undefined && (last < added || last > most))
    return `counter ${label} is ${last} when ${added} were added`;
  return undefined;
}

function counting(actors: readonly Actor[], kills = 0): Scenario {
  return {
    actors,
    kills,
    prepare: nothing,
    atEnd: (seen) => {
      for (const { name, state } of seen) if (state === 'asleep') return `${name} waits for ever`;
      return judgeCounter(seen, 'a') ?? judgeCounter(seen, 'b');
    },
  };
}

/** Counts for a label that is freed and whose place is given to another one meanwhile; then for that one. */
function addLate(): void {
  const counters = openModelCounters();
  const old = counters.counter('a');
  note('attached');
  old.increment();
  checkpoint(old, 1);
  old.increment();
  note('left a');
}

/** Gives the only place to another label, and counts for that one; looks at it before, between and after. */
function replace(): void {
  const counters = openModelCounters();
  counters.counter('a').add(4);
  note('attached');
  counters.free('a');
  checkpoint(counters);
  const counter = counters.counter('b');
  for (let count = 0; count < 2; count++) {
    checkpoint(counter, count);
    const { value } = counter;
    if (value !== count) throw new Error(`counter b is ${value} instead of ${count}`);
    counter.increment();
  }
  note('added to b', 2);
}

/** As {@link addLate}, but then adds to what has the place by now. */
function addToBoth(): void {
  const counters = openModelCounters();
  const old = counters.counter('a');
  old.add(4);
  note('attached');
  if (old.increment()) return;
  checkpoint(counters);
  const counter = counters.counter('b');
  counter.add(8);
  const { value } = counter;
  if (value !== 8) throw new Error(`counter b is ${value} instead of 8`);
}

/** Frees and allocates, and only looks. */
function replaceAndLook(): void {
  const counters = openModelCounters();
  counters.counter('a').add(4);
  note('attached');
  counters.free('a');
  const counter = counters.counter('b');
  checkpoint(counter);
  const { value } = counter;
  if (value !== 0 && value !== 8) throw new Error(`counter b is ${value} instead of 0 or 8`);
}

function own(): void {
  const counters = openModelCounters();
  const counter = counters.counter('a', { lifetime: 'owner' });
  note('attached');
  counter.add(4);
}

/** Wants the only place for itself; with a slot of its own already, or with one that is free only now. */
function inherit(label: string, early: boolean): () => void {
  return () => {
    const counters = openModelCounters();
    if (early) {
      try {
        counters.counter(label);
      } catch {
        note('attached');
      }
    }
    let value = Number.NaN;
    try {
      const counter = counters.counter(label);
      counter.increment();
      value = counter.value;
    } catch (error) {
      note('refused');
      if ((error as { code?: string }).code !== 'ERR_MEMLANE_BUSY') throw error;
    }
    if (value > 2) throw new Error(`counter ${label} begins with ${value - 1}`);
  };
}

/** Sets a gauge that may have been freed. */
function setLate(): void {
  const gauge = openModelCounters().gauge('g');
  note('attached');
  gauge.set(1);
  checkpoint(gauge);
  gauge.set(2);
}

/** Gives the only place to another gauge, and sets that one. */
function replaceGauge(): void {
  const counters = openModelCounters();
  counters.gauge('g').set(4);
  note('attached');
  counters.free('g');
  const gauge = counters.gauge('h');
  checkpoint(gauge);
  for (const value of [0, 5, 6]) {
    if (value > 0) gauge.set(value);
    const found = gauge.value;
    if (found !== value) throw new Error(`gauge h is ${found} instead of ${value}`);
  }
}

/** Sets a gauge to each value, one after the other. */
function set(...values: readonly number[]): () => void {
  return () => {
    const gauge = openModelCounters().gauge('g');
    note('attached');
    for (const value of values) {
      checkpoint(gauge, value);
      gauge.set(value);
      note('set', value);
    }
  };
}

/** Each value is set once: one that comes again after another one was never the last. */
function judgeGauge(seen: readonly Seen[]): string | undefined {
  for (const actor of seen) {
    if (actor.state === 'asleep') return `${actor.name} waits for ever`;
    const read = valuesOf(actor, 'value of g').filter((value, index, all) => value !== all[index - 1]);
    if (new Set(read).size < read.length) return `the gauge was ${read.join(', then ')}`;
  }
  const last = valuesOf(
    seen.find(({ name }) => name === 'auditor'),
    'value of g',
  ).at(-1);
  const candidates = seen
    .filter(({ name }) => name.startsWith('setter'))
    .flatMap((setter) => valuesOf(setter, 'set').at(-1) ?? []);
  const dead = seen.some(({ state }) => state === 'dead');
  if (last !== undefined && !dead && !candidates.includes(last))
    return `the gauge is ${last}, but ${candidates.join(' or ')} was set last`;
  return undefined;
}

const reader = (label: string, times: number): Actor => ({ name: 'reader', begin: read(label, times) });
/** Looks when that one has ended. */
const auditor = (label: string, afterEnd: string): Actor => ({ name: 'auditor', begin: read(label, 1), afterEnd });

/** Every scenario of counters by its name. */
export const scenarios: Readonly<Record<(typeof COUNTER_SCENARIOS)[number] & CellScenarioName, () => Scenario>> = {
  'adders and a reader': () =>
    counting([
      { name: 'adder 1', begin: add('a', 2), prepared: true },
      { name: 'adder 2', begin: add('a', 2), prepared: true },
      reader('a', 2),
    ]),
  'adder killed and succeeded': () =>
    counting(
      [
        { name: 'adder 1', begin: add('a', 2), prepared: true, mortal: true },
        { name: 'adder 2', begin: add('a', 1), after: 'adder 1' },
        auditor('a', 'adder 2'),
        reader('a', 2),
      ],
      1,
    ),
  'a place for another label': () =>
    counting([
      { name: 'adder 1', begin: addLate, prepared: true },
      { name: 'adder 2', begin: replace, prepared: true },
    ]),
  'a place for another label, adder killed': () =>
    counting(
      [
        { name: 'adder 1', begin: addToBoth, prepared: true },
        { name: 'adder 2', begin: replaceAndLook, prepared: true, mortal: true },
      ],
      1,
    ),
  'owner killed, its counter freed': () => ({
    actors: [
      { name: 'owner', begin: own, prepared: true, mortal: true },
      { name: 'heir 1', begin: inherit('b', true), prepared: true, after: 'owner' },
      { name: 'heir 2', begin: inherit('b', false), after: 'owner' },
    ],
    kills: 1,
    prepare: nothing,
    atEnd: (seen) => {
      for (const { name, state, notes } of seen) {
        if (state === 'asleep') return `${name} waits for ever`;
        if (notes.some(({ event }) => event === 'refused')) return `${name} was refused the place of the dead`;
      }
      return undefined;
    },
  }),
  'a place for another gauge': () =>
    counting([
      { name: 'setter 1', begin: setLate, prepared: true },
      { name: 'setter 2', begin: replaceGauge, prepared: true },
    ]),
  'setters and a reader': () => ({
    actors: [
      { name: 'setter 1', begin: set(1, 2), prepared: true },
      { name: 'setter 2', begin: set(10), prepared: true },
      reader('g', 3),
    ],
    kills: 0,
    prepare: nothing,
    atEnd: judgeGauge,
  }),
  'setter killed and succeeded': () => ({
    actors: [
      { name: 'setter 1', begin: set(1, 2), prepared: true, mortal: true },
      { name: 'setter 2', begin: set(10), after: 'setter 1' },
      auditor('g', 'setter 2'),
      reader('g', 2),
    ],
    kills: 1,
    prepare: nothing,
    atEnd: judgeGauge,
  }),
};
