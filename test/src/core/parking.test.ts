import { closeSync, fstatSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { ASLEEP, EPISODE_SHIFT, memory, ParkKind, type Participant, Peer, Region, Role } from '@memlane/core';
import { PAGE_SIZE } from '@memlane/linux';
import { openDescriptors } from '../linux/proc.ts';
import { type Random, withSeed } from '../support/random.ts';
import { scratchFolder } from '../support/scratch.ts';
import { attachTable, tableOf, wordOf } from './participation.ts';

const EPISODES = 2 ** (32 - EPISODE_SHIFT);
const SLOT = 1;

/** What must hold after any history of one slot: its owners, their sleeps, and the writers who ring. */
class Model {
  /** Episodes since the start, never taken modulo: two sleeps with one number are a lost wake-up. */
  sleeps = 0;
  asleep: number | undefined;
  bell = 0;
  readonly rung: number[];

  constructor(writers: number) {
    this.rung = Array(writers).fill(-1);
  }
}

function history(random: Random, firstEpisode: number, steps: number): void {
  using scratch = scratchFolder();
  using region = Region.create(scratch.file('a'), PAGE_SIZE);
  using other = attachTable(region.descriptor());
  const { words } = other.table;
  const parkedWord = (): number => memory.load(words, wordOf(SLOT, 'parked'));
  memory.store(words, wordOf(SLOT, 'parked'), firstEpisode << EPISODE_SHIFT);

  const writers = [new Peer(tableOf(region), SLOT), new Peer(other.table, SLOT), new Peer(other.table, SLOT)];
  const model = new Model(writers.length);
  const seen = new Set<number>();
  let owner: Participant | undefined;
  let descriptors: number[] = [];

  for (let step = 0; step < steps; step++) {
    const before = parkedWord();
    const deed = random.below(10);
    if (deed === 0 && owner === undefined) {
      const held = new Set(openDescriptors().keys());
      owner = tableOf(region).take(SLOT, Role.consumer, 'consumer', () => {});
      descriptors = [...openDescriptors().keys()].filter((fd) => !held.has(fd) && fstatSync(fd).isFile());
      model.asleep = undefined;
      expect(parkedWord()).toBe(before & ~ASLEEP);
    } else if (deed === 0 && random.chance(0.5)) {
      // Killed: the kernel drops its lock, its words stay. (Its bells are the event loop's to close.)
      for (const fd of descriptors) closeSync(fd);
      owner = undefined;
    } else if (deed === 0) {
      owner?.leave();
      owner = undefined;
      model.asleep = undefined;
      expect(parkedWord()).toBe(before & ~ASLEEP);
    } else if (owner !== undefined && deed <= 4) {
      const kind = random.pick([ParkKind.eventLoop, ParkKind.thread]);
      expect(owner.spot.enter(kind)).toBe(model.bell);
      model.asleep = ++model.sleeps;
      const word = parkedWord();
      expect(word >>> EPISODE_SHIFT).toBe((firstEpisode + model.sleeps) % EPISODES);
      expect(word & 3).toBe(ASLEEP | kind);
      expect(seen.has(word >>> EPISODE_SHIFT)).toBe(false);
      seen.add(word >>> EPISODE_SHIFT);
    } else if (owner !== undefined && deed <= 6) {
      owner.spot.leave();
      model.asleep = undefined;
      expect(parkedWord()).toBe(before & ~ASLEEP);
    } else {
      const writer = random.below(writers.length);
      const due = model.asleep !== undefined && model.rung[writer] !== model.asleep;
      expect((writers[writer] as Peer).wakeIfParked()).toBe(due);
      if (due) {
        model.rung[writer] = model.asleep as number;
        model.bell++;
      }
      expect(parkedWord()).toBe(before);
    }
    expect(memory.load(words, wordOf(SLOT, 'bell'))).toBe(model.bell);
  }
  owner?.leave();
  for (const writer of writers) writer.close();
}

describe('the parking protocol', () => {
  test('an episode is never used twice, whoever owns the slot, and every sleep is rung once by each writer', () =>
    withSeed((random) => {
      for (let run = 0; run < 10; run++) history(random, random.below(1000), 400);
    }));

  test('that holds where the number of the episode wraps around', () =>
    withSeed((random) => {
      for (let run = 0; run < 5; run++) history(random, EPISODES - 1 - random.below(20), 200);
    }));
});
