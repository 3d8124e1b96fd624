import { describe, expect, test } from '@jest/globals';
import { createRing, createWorkQueue, type Ring, type WorkQueue } from 'memlane';
import { inPidNamespace, whyNoPidNamespace } from '../support/namespace.ts';
import { Program } from '../support/program.ts';
import { scratchFolder } from '../support/scratch.ts';
import { type KindName, kinds, until } from './conformance/bed.ts';

// Who lives in another pid namespace has a number that means somebody else here, or nobody. Life is told by locks.

const whyNot = whyNoPidNamespace;
const inNamespace = whyNot === null ? test : test.skip;
const reason = whyNot === null ? '' : ` (${whyNot})`;

type Side = 'producers' | 'consumers';

interface Structure {
  readonly name: KindName;
  readonly make: (path: string) => Ring | WorkQueue;
}

const structures: readonly Structure[] = (Object.keys(kinds) as KindName[]).map((name) => ({
  name,
  make: (path) => {
    const { shape } = kinds[name];
    return name === 'work queue'
      ? createWorkQueue(path, { capacity: 16, messageBytes: 64, producers: 2, consumers: 2 })
      : createRing(path, { ...shape, capacityBytes: 4096 });
  },
}));

describe.each(structures)('another pid namespace is no obstacle: $name', ({ name, make }) => {
  inNamespace(`who lives there is seen alive, heard, woken, and seen dead${reason}`, async () => {
    using scratch = scratchFolder();
    const path = scratch.file('shared');
    using shared = make(path);
    const { reading } = kinds[name];
    const alive = (side: Side): boolean[] => shared.statistics()[side].map((end) => end.alive);
    const pid = (side: Side): number => shared.statistics()[side][0]?.pid ?? -1;
    const abroad = (role: string): Program =>
      new Program('ring-abroad', { path, role, isWork: name === 'work queue', reading }, { wrapper: inPidNamespace });

    await using consumer = abroad('consumer');
    await consumer.next('attached');
    expect([pid('consumers'), alive('consumers')[0]]).toEqual([1, true]);
    const producer = shared.producer();
    expect(producer.isPeerAlive()).toBe(true);
    await until(() => (shared.statistics().consumers[0]?.parks ?? 0) > 0, 'it sleeps');
    producer.tryWrite('over the border');
    expect(await consumer.next('read')).toBe('over the border');
    consumer.kill();
    await consumer.end();
    await until(() => !alive('consumers')[0], 'it is seen dead');
    expect(producer.isPeerAlive()).toBe(false);
    producer.close();

    await using other = abroad('producer');
    await other.next('attached');
    expect([pid('producers'), alive('producers')[0]]).toEqual([1, true]);
    const here = shared.consumer(reading);
    expect(here.isPeerAlive()).toBe(true);
    other.tell('from over the border');
    // What the dead had not done with comes to whoever is next.
    const texts: string[] = [];
    while (texts.at(-1) !== 'from over the border') {
      await here.wait();
      texts.push(here.tryRead()?.data.toString() ?? '');
    }
    other.kill();
    await other.end();
    await until(() => !alive('producers')[0], 'it is seen dead');
    expect(here.isPeerAlive()).toBe(false);
  });
});
