import type { LatestReader, LatestWriter } from '@memlane/ring';
import { checkpoint, note } from './cell-bed.ts';
import type { CellScenarioName, LATEST_SCENARIOS } from './cell-names.ts';
import type { Actor, Scenario, Seen } from './explorer.ts';
import { openModelLatestValue, prepareLatestValue, type Shape, VALUE_BYTES } from './latest-bed.ts';
import { place, type Store } from './places.ts';

/*
 * Version k has two words that tell k, of which the second is there only in every other one, so that one that is torn,
 * stale or of another length cannot look right. A version is counted from where the versions began.
 */

const wordOf = (version: number, word: number): number => version * 16 + word + 1;
const lengthOf = (version: number): number => (version % 2 === 0 ? 4 : 8);

interface Plan extends Shape {
  readonly versions: number;
}

type Waiting = 'thread' | 'event loop';

/** Writes the versions that are missing. */
function write(plan: Plan, leaveOutAbort = false): void {
  const writer: LatestWriter = openModelLatestValue(plan).writer();
  note('attached');
  for (;;) {
    const version = ((writer.version - plan.startVersion) | 0) + 1;
    if (version > plan.versions) return;
    checkpoint(writer);
    // Begun in vain: nobody may ever see it.
    if (version === 1 && !leaveOutAbort) {
      writer.view.i32[writer.begin(4) >> 2] = 99;
      writer.abort();
    }
    const offset = writer.begin(lengthOf(version));
    for (let word = 0; word * 4 < lengthOf(version); word++)
      writer.view.i32[(offset >> 2) + word] = wordOf(version, word);
    writer.commit();
    note('committed', version);
  }
}

/** Looks once, and notes the version. */
function look(reader: LatestReader, plan: Plan): number {
  const target = new Uint8Array(VALUE_BYTES);
  const length = reader.readInto(target);
  const version = (reader.version - plan.startVersion) | 0;
  note('read', version);
  if (length < 0) {
    if (version !== 0) throw new Error(`nothing is there in version ${version}`);
    return 0;
  }
  if (length !== lengthOf(version)) throw new Error(`version ${version} has ${length} bytes`);
  const words = new Int32Array(target.buffer, 0, length / 4);
  for (const [word, value] of words.entries())
    if (value !== wordOf(version, word)) throw new Error(`word ${word} of version ${version} is ${value}`);
  return version;
}

function readTimes(plan: Plan, times: number): void {
  const reader = openModelLatestValue(plan).reader();
  for (let count = 0; count < times; count++) {
    checkpoint(reader, count);
    look(reader, plan);
  }
}

/** Reads each change until the last version has come. */
async function follow(plan: Plan, waiting: Waiting): Promise<void> {
  const reader = openModelLatestValue(plan).reader({ wait: waiting === 'thread' ? 'park' : 'event' });
  // Its place is taken with the first wait, which is looked for in every order as well.
  for (let last = 0; last < plan.versions; ) {
    checkpoint(reader, last);
    if (waiting === 'thread') reader.waitSync();
    else await reader.wait();
    last = look(reader, plan);
  }
}

interface Options {
  readonly reader: () => void | Promise<void>;
  readonly mortal?: boolean;
}

function scenario(plan: Plan, { reader, mortal = false }: Options): Scenario {
  const actors: Actor[] = [
    { name: 'writer', begin: () => write(plan, mortal), prepared: true, mortal },
    { name: 'reader', begin: reader },
  ];
  if (mortal) actors.push({ name: 'writer 2', begin: () => write(plan, true), after: 'writer' });
  return {
    actors,
    kills: mortal ? 1 : 0,
    prepare: (store) => prepareLatestValue(store, plan),
    atEnd: (seen, store) => judge(seen, store, plan),
  };
}

function judge(actors: readonly Seen[], store: Store, plan: Plan): string | undefined {
  const newest = ((store[place('value.version')] as number) - plan.startVersion) | 0;
  for (const { name, notes, state } of actors) {
    const values = (event: string): number[] => notes.filter((each) => each.event === event).map(({ value }) => value);
    for (const version of values('committed'))
      if (version > newest) return `version ${version} was committed by ${name}, but ${newest} is the newest`;
    const read = values('read');
    for (const [index, version] of read.entries())
      if (version < (read[index - 1] ?? 0)) return `${name} read version ${version} after ${read[index - 1]}`;
    if (name === 'reader' && state === 'asleep' && (read.at(-1) ?? 0) < newest)
      return `lost wake-up: ${name} sleeps with version ${newest} there`;
    if (name.startsWith('writer') && state === 'asleep') return `${name} sleeps`;
  }
  const last = actors.find(({ name, state }) => name === 'writer 2' && state === 'ended') ?? actors[0];
  if (last?.state === 'ended' && newest !== plan.versions) return `${newest} versions of ${plan.versions} are there`;
  return undefined;
}

const plan = (versions: number, buffers = 2, startVersion = 0): Plan => ({ versions, buffers, startVersion });

/** Every scenario of the latest value by its name. */
export const scenarios: Readonly<Record<(typeof LATEST_SCENARIOS)[number] & CellScenarioName, () => Scenario>> = {
  'values read while they are written': () => scenario(plan(4), { reader: () => readTimes(plan(4), 2) }),
  'values read while they are written, across 2^32': () =>
    scenario(plan(4, 2, 2 ** 32 - 2), { reader: () => readTimes(plan(4, 2, 2 ** 32 - 2), 2) }),
  'values read while they are written, across 2^31': () =>
    scenario(plan(4, 2, 2 ** 31 - 2), { reader: () => readTimes(plan(4, 2, 2 ** 31 - 2), 2) }),
  'values in four buffers': () => scenario(plan(7, 4), { reader: () => readTimes(plan(7, 4), 2) }),
  'writer killed and succeeded': () => scenario(plan(3), { reader: () => readTimes(plan(3), 2), mortal: true }),
  'a reader that sleeps': () => scenario(plan(2), { reader: () => follow(plan(2), 'thread') }),
  'a reader that sleeps in the event loop': () => scenario(plan(2), { reader: () => follow(plan(2), 'event loop') }),
  'a reader that sleeps, and its writer killed': () =>
    scenario(plan(1), { reader: () => follow(plan(1), 'thread'), mortal: true }),
  'a reader that sleeps in the event loop, and its writer killed': () =>
    scenario(plan(1), { reader: () => follow(plan(1), 'event loop'), mortal: true }),
};
