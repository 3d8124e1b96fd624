import { chownSync, closeSync, constants, openSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import {
  memory,
  ParkKind,
  type Participant,
  Peer,
  Region,
  Role,
  SlotState,
  StatisticsIndex,
  sweepAnonymousBells,
  withAttachLock,
} from '@memlane/core';
import { makeFifo, PAGE_SIZE, tryLockByte } from '@memlane/linux';
import { NOBODY, rootTest } from '../linux/machine.ts';
import { openDescriptors } from '../linux/proc.ts';
import { Program } from '../support/program.ts';
import { type Scratch, scratchFolder } from '../support/scratch.ts';
import { pause, thrownBy } from '../support/speech.ts';
import { attachTable, FILE_ID, tableOf, wordOf } from './participation.ts';

/** A file with slots, and two tables of it as two processes would have them. */
function slots() {
  const scratch = scratchFolder();
  const path = scratch.file('slots');
  const region = Region.create(path, PAGE_SIZE);
  const descriptor = region.descriptor();
  const other = attachTable(descriptor);
  return {
    path,
    scratch,
    descriptor,
    table: tableOf(region),
    other: other.table,
    start: (scene: string, slot: number, more: object = {}) =>
      new Program('core-participant', { descriptor, scene, slot, ...more }),
    [Symbol.dispose]: () => {
      other[Symbol.dispose]();
      region.close();
      scratch[Symbol.dispose]();
    },
  };
}

/** The byte whose lock is the attach lock; part of the layout, so that other builds keep out. */
const ATTACH_BYTE = 1n << 62n;

const nothing = (): void => {};
/** The bells in a folder, without the part of the name that they share. */
const bellsIn = (scratch: Scratch): string[] =>
  scratch.entries().flatMap((name) => name.split(`.memlane-bell-${FILE_ID}.`).slice(1));

function withParticipant(participant: Participant): Disposable & { readonly it: Participant } {
  return { it: participant, [Symbol.dispose]: () => participant.leave() };
}

describe('a slot', () => {
  test('is taken visibly, and given back', () => {
    using file = slots();
    const word = (field: Parameters<typeof wordOf>[1]): number => memory.load(file.other.words, wordOf(1, field));
    expect([0, 1, 2].map((slot) => file.other.isAlive(slot))).toEqual([false, false, false]);
    const before = openDescriptors();
    const since = Date.now();

    const participant = file.table.take(1, Role.consumer, 'consumer', nothing);
    expect(participant.slot).toBe(1);
    expect([0, 1, 2].map((slot) => file.other.isAlive(slot))).toEqual([false, true, false]);
    expect(file.table.isAlive(1)).toBe(true);
    expect([word('state'), word('generation'), word('pid'), word('role')]).toEqual([
      SlotState.active,
      1,
      process.pid,
      Role.consumer,
    ]);
    expect(file.other.pidOf(1)).toBe(process.pid);
    const attachedAtMs = new Float64Array(file.other.words.buffer, wordOf(1, 'attachedAtMs') * 4, 1)[0];
    expect(attachedAtMs).toBeGreaterThanOrEqual(since);
    expect(attachedAtMs).toBeLessThanOrEqual(Date.now());
    expect(bellsIn(file.scratch)).toEqual(['1.1']);
    const bell = statSync(file.table.bellPath(1, 1));
    expect([bell.mode & constants.S_IFMT, bell.mode & 0o777]).toEqual([constants.S_IFIFO, 0o600]);

    participant.leave();
    participant.leave();
    expect(file.other.isAlive(1)).toBe(false);
    expect(word('state')).toBe(SlotState.vacant);
    expect(bellsIn(file.scratch)).toEqual([]);
    expect(openDescriptors()).toEqual(before);
  });

  test('has another generation, and another bell, with each owner', () => {
    using file = slots();
    for (const generation of [1, 2, 3]) {
      using _owner = withParticipant(file.table.take(0, Role.producer, 'producer', nothing));
      expect(memory.load(file.other.words, wordOf(0, 'generation'))).toBe(generation);
      expect(bellsIn(file.scratch)).toEqual([`0.${generation}`]);
    }
  });

  test('has statistics of its own, where the layout says', () => {
    using file = slots();
    using owner = withParticipant(file.table.take(2, Role.producer, 'producer', nothing));
    for (const [name, index] of Object.entries(StatisticsIndex)) {
      owner.it.statistics[index] = index + 0.5;
      const offset = wordOf(2, name as keyof typeof StatisticsIndex) * 4;
      expect(new Float64Array(file.other.words.buffer, offset, 1)[0]).toBe(index + 0.5);
    }
    expect(owner.it.bellAddress - file.table.bellAddress(0)).toBe((wordOf(2, 'bell') - wordOf(0, 'bell')) * 4);
  });

  test('is taken once: by the same process, by the same table, by another process', async () => {
    using file = slots();
    using _owner = withParticipant(file.table.take(0, Role.producer, 'producer', nothing));
    const before = openDescriptors();
    const busy = { code: 'ERR_MEMLANE_BUSY', path: file.path };
    let recovered = 0;
    for (const table of [file.table, file.other]) {
      const error = thrownBy(() => table.take(0, Role.producer, 'producer', () => recovered++));
      expect(error).toMatchObject(busy);
      expect(error?.message).toContain(`There is a producer already: process ${process.pid}`);
    }
    expect(recovered).toBe(0);
    expect(openDescriptors()).toEqual(before);
    expect(bellsIn(file.scratch)).toEqual(['0.1']);
    await using rival = file.start('try', 0);
    expect(await rival.next('tried')).toMatchObject({ code: 'ERR_MEMLANE_BUSY' });
    // The others are free, and taking one does not wait for the owner of another.
    using _neighbour = withParticipant(file.other.take(1, Role.consumer, 'consumer', nothing));
    expect([0, 1, 2].map((slot) => file.table.isAlive(slot))).toEqual([true, true, false]);
  });

  test('of a file that has been deleted is not to be had', () => {
    using file = slots();
    file.table.file.unlink();
    const before = openDescriptors();
    expect(thrownBy(() => file.other.take(0, 1, 'producer', nothing))).toMatchObject({ code: 'ERR_MEMLANE_DELETED' });
    expect(openDescriptors()).toEqual(before);
    expect(file.other.isAlive(0)).toBe(false);
  });
});

describe('a dead owner', () => {
  test.each(['SIGKILL', 'SIGTERM', 'exit', 'thread'] as const)('frees its slot at once: %s', async (way) => {
    using file = slots();
    await using owner = file.start(way === 'thread' ? 'thread' : 'hold', 0);
    await owner.next('taken');
    expect(file.table.isAlive(0)).toBe(true);
    expect(thrownBy(() => file.table.take(0, 1, 'producer', nothing))?.message).toContain(`process ${owner.pid}`);
    if (way === 'thread') {
      owner.tell('terminate');
      await owner.next('terminated');
      expect(owner.running).toBe(true);
    } else {
      if (way === 'exit') owner.tell('exit');
      else owner.kill(way);
      await owner.end();
    }
    expect(file.table.isAlive(0)).toBe(false);
    using _next = withParticipant(file.table.take(0, Role.producer, 'producer', nothing));
    expect(bellsIn(file.scratch)).toEqual(['0.2']);
  });

  test('that was stopped is alive', async () => {
    using file = slots();
    await using owner = file.start('hold', 0);
    await owner.next('taken');
    owner.kill('SIGSTOP');
    await pause(100);
    expect(file.table.isAlive(0)).toBe(true);
    expect(thrownBy(() => file.table.take(0, 1, 'producer', nothing))).toMatchObject({ code: 'ERR_MEMLANE_BUSY' });
  });

  test('leaves no trace in the words of its successor', async () => {
    using file = slots();
    const load = (field: Parameters<typeof wordOf>[1]): number => memory.load(file.table.words, wordOf(0, field));
    await using owner = file.start('hold', 0);
    await owner.next('taken');
    owner.tell('park');
    await owner.next('done');
    owner.kill();
    await owner.end();
    expect([load('state'), load('parked') & 2]).toEqual([SlotState.active, 2]);
    expect(bellsIn(file.scratch)).toEqual(['0.1']);

    let seen: unknown;
    using _next = withParticipant(
      file.table.take(0, Role.producer, 'producer', () => {
        const attach = file.other.file.reopen();
        seen = {
          // Nobody takes the newcomer for its predecessor,
          state: load('state'),
          asleep: load('parked') & 2,
          bells: bellsIn(file.scratch),
          generation: load('generation'),
          // nor can anybody come in between.
          locked: file.other.isAlive(0),
          attaching: !tryLockByte(attach.fd, ATTACH_BYTE),
        };
        attach.close();
      }),
    );
    expect(seen).toEqual({
      state: SlotState.vacant,
      asleep: 0,
      bells: [],
      generation: 1,
      locked: true,
      attaching: true,
    });
    expect([load('state'), load('generation'), load('pid')]).toEqual([SlotState.active, 2, process.pid]);
  });
});

describe('recovery', () => {
  test('that fails gives the slot back as it was found', () => {
    using file = slots();
    const before = openDescriptors();
    const attempt = () =>
      file.table.take(0, Role.producer, 'producer', () => {
        throw new RangeError('not today');
      });
    expect(thrownBy(attempt)).toMatchObject({ name: 'RangeError', message: 'not today' });
    expect(file.other.isAlive(0)).toBe(false);
    expect(memory.load(file.table.words, wordOf(0, 'state'))).toBe(SlotState.vacant);
    expect(openDescriptors()).toEqual(before);
    expect(bellsIn(file.scratch)).toEqual([]);
    using _next = withParticipant(file.other.take(0, Role.producer, 'producer', nothing));
  });

  test('whose process is killed in it is done again by the next', async () => {
    using file = slots();
    await using victim = file.start('die in recovery', 0);
    expect(await victim.next('recovering')).toEqual({ alive: true });
    expect(await victim.end()).toMatchObject({ signal: 'SIGKILL' });
    expect(file.table.isAlive(0)).toBe(false);
    expect(memory.load(file.table.words, wordOf(0, 'state'))).toBe(SlotState.vacant);
    let recovered = 0;
    using _next = withParticipant(file.table.take(0, Role.producer, 'producer', () => recovered++));
    expect(recovered).toBe(1);
  });
});

describe('the attach lock', () => {
  test('held by a stopped process is ERR_MEMLANE_BUSY after ten seconds, and holds up nobody else', async () => {
    using file = slots();
    await using holder = file.start('hold the attach lock', 0);
    await holder.next('locked');
    holder.kill('SIGSTOP');
    // Ten seconds of a clock that runs twenty times as fast.
    await using other = file.start('try', 1, { clock: 20 });
    const { code, message, elapsedMs } = await other.next<{ code: string; message: string; elapsedMs: number }>(
      'tried',
    );
    expect(code).toBe('ERR_MEMLANE_BUSY');
    expect(message).toContain('Another process has been attaching for ten seconds');
    expect(elapsedMs).toBeGreaterThan(10_000);
    expect(file.table.isAlive(1)).toBe(false);
  });

  test('is free at once when its holder is killed; who waits for it gets it', async () => {
    using file = slots();
    await using holder = file.start('hold the attach lock', 0);
    await holder.next('locked');
    await using waiting = file.start('try', 1);
    await waiting.next('trying');
    await pause(100);
    expect(waiting.all('tried')).toEqual([]);
    holder.kill();
    expect(await waiting.next('tried')).toMatchObject({ code: null });
  });

  test('is given back by whoever fails under it', () => {
    using file = slots();
    const own = file.table.file.reopen();
    const other = file.table.file.reopen();
    expect(thrownBy(() => withAttachLock(own, () => JSON.parse('{')))).toMatchObject({ name: 'SyntaxError' });
    expect(withAttachLock(other, () => tryLockByte(own.fd, ATTACH_BYTE))).toBe(false);
    expect(tryLockByte(own.fd, ATTACH_BYTE)).toBe(true);
    own.close();
    other.close();
  });
});

describe('a peer', () => {
  test('is rung once for each sleep, by each who would wake it, in thread and event loop', () => {
    using file = slots();
    using owner = withParticipant(file.table.take(0, Role.consumer, 'consumer', nothing));
    const peers = [new Peer(file.table, 0), new Peer(file.other, 0)] as const;
    const bell = (): number => memory.load(file.table.words, wordOf(0, 'bell'));
    const { spot } = owner.it;
    expect(peers.map((peer) => peer.wakeIfParked())).toEqual([false, false]);
    for (const kind of [ParkKind.thread, ParkKind.eventLoop, ParkKind.thread]) {
      const before = bell();
      expect(spot.enter(kind)).toBe(before);
      expect(peers.map((peer) => peer.wakeIfParked())).toEqual([true, true]);
      expect(peers.map((peer) => peer.wakeIfParked())).toEqual([false, false]);
      expect(bell()).toBe(before + 2);
      spot.leave();
      expect(peers.map((peer) => peer.wakeIfParked())).toEqual([false, false]);
    }
    for (const peer of peers) peer.close();
  });

  test('in the event loop of another process hears its bell', async () => {
    using file = slots();
    await using owner = file.start('hold', 0);
    await owner.next('taken');
    owner.tell('listen');
    await owner.next('done');
    const peer = new Peer(file.table, 0);
    expect(peer.wakeIfParked()).toBe(false);
    for (let sleep = 0; sleep < 3; sleep++) {
      owner.tell('park');
      await owner.next('done');
      expect(peer.wakeIfParked()).toBe(true);
      await owner.next('rung');
    }
    peer.close();
  });

  test('that leaves wakes everybody who sleeps', () => {
    using file = slots();
    using sleeper = withParticipant(file.table.take(0, Role.consumer, 'consumer', nothing));
    const leaving = file.other.take(1, Role.producer, 'producer', nothing);
    const bell = (): number => memory.load(file.table.words, wordOf(0, 'bell'));
    sleeper.it.spot.enter(ParkKind.thread);
    const before = bell();
    leaving.leave();
    expect(bell()).toBe(before + 1);
  });

  test.each(['SIGKILL', 'SIGTERM', 'leave', 'exit'] as const)('whose end is watched: %s', async (way) => {
    using file = slots();
    await using owner = file.start('hold', 0);
    await owner.next('taken');
    await using watcher = file.start('watch', 0);
    expect(await watcher.next('watching')).toBe(true);
    await pause(50);
    expect(watcher.all('dead')).toEqual([]);
    if (way === 'leave' || way === 'exit') owner.tell(way);
    else owner.kill(way);
    await watcher.next('dead');
    await pause(20);
    watcher.tell('enough');
    expect(await watcher.next('calls')).toBe(1);
    await watcher.success();
    if (way === 'leave') await owner.next('done');
    expect(file.table.isAlive(0)).toBe(false);
  });

  test('that is not there cannot be watched, nor one whose bell is left over', async () => {
    using file = slots();
    const watch = (): boolean => {
      const peer = new Peer(file.table, 0);
      const watched = peer.watchDeath(nothing);
      peer.close();
      return watched;
    };
    expect(watch()).toBe(false);
    await using owner = file.start('hold', 0);
    await owner.next('taken');
    expect(watch()).toBe(true);
    owner.kill();
    await owner.end();
    expect(bellsIn(file.scratch)).toEqual(['0.1']);
    expect(watch()).toBe(false);
  });

  test('behind whose bell something else hides is not rung', () => {
    using file = slots();
    using owner = withParticipant(file.table.take(0, Role.consumer, 'consumer', nothing));
    const path = file.table.bellPath(0, 7);
    memory.store(file.table.words, wordOf(0, 'generation'), 7);
    writeFileSync(path, '');
    owner.it.spot.enter(ParkKind.eventLoop);
    const before = openDescriptors();
    for (const look of [(peer: Peer) => peer.wakeIfParked(), (peer: Peer) => peer.watchDeath(nothing)])
      expect(thrownBy(() => look(new Peer(file.other, 0)))).toMatchObject({
        code: 'ERR_MEMLANE_CORRUPT',
        field: 'bell',
        path,
      });
    expect(openDescriptors()).toEqual(before);
    owner.it.spot.leave();
  });

  rootTest('whose bell belongs to a user who has no business there is not rung', () => {
    using file = slots();
    using owner = withParticipant(file.table.take(0, Role.consumer, 'consumer', nothing));
    const path = file.table.bellPath(0, 7);
    memory.store(file.table.words, wordOf(0, 'generation'), 7);
    makeFifo(path);
    chownSync(path, NOBODY, NOBODY);
    owner.it.spot.enter(ParkKind.eventLoop);
    // With a reader, or opening it would be refused for want of one.
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    expect(thrownBy(() => new Peer(file.other, 0).wakeIfParked())).toMatchObject({ code: 'ERR_MEMLANE_CORRUPT' });
    closeSync(reader);
    owner.it.spot.leave();
  });

  rootTest("of root, in somebody's file, has a bell that this somebody may ring", () => {
    using file = slots();
    chownSync(file.path, NOBODY, NOBODY);
    using _owner = withParticipant(file.table.take(0, Role.consumer, 'consumer', nothing));
    expect(statSync(file.table.bellPath(0, 1)).uid).toBe(NOBODY);
  });
});

describe('bells', () => {
  test('go with the file, those of the living too', async () => {
    using file = slots();
    using _one = withParticipant(file.table.take(0, Role.producer, 'producer', nothing));
    await using owner = file.start('hold', 1);
    await owner.next('taken');
    writeFileSync(file.scratch.file('.memlane-bell-ffffffffffffffffffffffffffffffff.0.1'), '');
    expect(bellsIn(file.scratch)).toEqual(['0.1', '1.1']);
    file.table.removeBells();
    expect(file.scratch.entries()).toEqual(['.memlane-bell-ffffffffffffffffffffffffffffffff.0.1', 'slots']);
  });

  test('of an anonymous file are in the runtime folder; those that nobody holds are swept', async () => {
    using scratch = scratchFolder();
    const given = process.env.MEMLANE_DIR;
    process.env.MEMLANE_DIR = scratch.path;
    try {
      using region = Region.createAnonymous(PAGE_SIZE);
      const table = tableOf(region);
      using _owner = withParticipant(table.take(0, Role.producer, 'producer', nothing));
      const descriptor = region.descriptor();
      await using other = new Program('core-participant', { descriptor, scene: 'hold', slot: 1 });
      await other.next('taken');
      expect(table.isAlive(1)).toBe(true);
      expect(bellsIn(scratch)).toEqual(['0.1', '1.1']);
      other.kill();
      await other.end();
      expect(table.isAlive(1)).toBe(false);
      expect(bellsIn(scratch)).toEqual(['0.1', '1.1']);
      writeFileSync(scratch.file('another file'), '');
      sweepAnonymousBells();
      expect(bellsIn(scratch)).toEqual(['0.1']);
      expect(readdirSync(scratch.path)).toContain('another file');
    } finally {
      if (given === undefined) delete process.env.MEMLANE_DIR;
      else process.env.MEMLANE_DIR = given;
    }
  });
});

describe('another pid namespace', () => {
  rootTest('is no obstacle: its process is seen alive, refuses to share, and its death is seen', async () => {
    using file = slots();
    await using owner = new Program(
      'core-participant',
      { descriptor: file.descriptor, scene: 'hold', slot: 0 },
      { wrapper: ['unshare', '--pid', '--fork', '--kill-child'] },
    );
    // Its number means another process here.
    expect(await owner.next('taken')).toBe(1);
    expect(file.table.pidOf(0)).toBe(1);
    expect(file.table.isAlive(0)).toBe(true);
    await using watcher = file.start('watch', 0);
    expect(await watcher.next('watching')).toBe(true);
    expect(thrownBy(() => file.table.take(0, 1, 'producer', nothing))).toMatchObject({ code: 'ERR_MEMLANE_BUSY' });
    owner.tell('listen');
    await owner.next('done');
    owner.tell('park');
    await owner.next('done');
    const peer = new Peer(file.table, 0);
    expect(peer.wakeIfParked()).toBe(true);
    peer.close();
    await owner.next('rung');
    expect(watcher.all('dead')).toEqual([]);
    owner.kill();
    await watcher.next('dead');
    await owner.end();
    expect(file.table.isAlive(0)).toBe(false);
    using _next = withParticipant(file.table.take(0, Role.producer, 'producer', nothing));
  });
});
