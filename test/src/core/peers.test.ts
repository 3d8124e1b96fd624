import { chownSync, closeSync, constants, openSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { memory, ParkKind, Peer, Region, Role, sweepAnonymousBells } from '@memlane/core';
import { makeFifo, PAGE_SIZE } from '@memlane/linux';
import { NOBODY, rootTest } from '../linux/machine.ts';
import { openDescriptors } from '../linux/proc.ts';
import { inPidNamespace } from '../support/namespace.ts';
import { Program } from '../support/program.ts';
import { scratchFolder } from '../support/scratch.ts';
import { pause, thrownBy } from '../support/speech.ts';
import { tableOf, wordOf } from './participation.ts';
import { bellsIn, leaving, nothing, slots } from './slots.ts';

describe('a peer', () => {
  test('is rung once for each sleep, by each who would wake it, in thread and event loop', () => {
    using file = slots();
    using owner = leaving(file.table.take(0, Role.consumer, 'consumer', nothing));
    const peers = [new Peer(file.table, 0), new Peer(file.other, 0)] as const;
    const bell = (): number => file.word(0, 'bell');
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

  test('hears its bell, and a watcher of its death, after everything that could be collected is', async () => {
    using file = slots();
    await using owner = file.start('hold', 0, {}, ['--expose-gc']);
    await owner.next('taken');
    for (const command of ['listen', 'collect', 'park']) {
      owner.tell(command);
      expect(await owner.next('done')).toBe(command);
    }
    await using watcher = file.start('watch', 0, {}, ['--expose-gc']);
    await watcher.next('watching');
    const peer = new Peer(file.table, 0);
    expect(peer.wakeIfParked()).toBe(true);
    peer.close();
    await owner.next('rung');
    owner.kill();
    await watcher.next('dead');
  });

  test('is rung by the bell of its newest owner', async () => {
    using file = slots();
    const peer = new Peer(file.other, 0);
    for (let owner = 1; owner <= 3; owner++) {
      using sleeper = leaving(file.table.take(0, Role.consumer, 'consumer', nothing));
      const { doorbell, spot } = sleeper.it;
      const rung = new Promise<void>((resolve) => doorbell.listen(resolve, true));
      spot.enter(ParkKind.eventLoop);
      expect(peer.wakeIfParked()).toBe(true);
      await rung;
    }
    peer.close();
  });

  test('is left in peace when the last who rang it has gone', async () => {
    using file = slots();
    using sleeper = leaving(file.table.take(0, Role.consumer, 'consumer', nothing));
    const { doorbell, spot } = sleeper.it;
    let calls = 0;
    const rung = new Promise<void>((resolve) => {
      doorbell.listen(() => {
        calls++;
        resolve();
      }, true);
    });
    const peer = new Peer(file.other, 0);
    spot.enter(ParkKind.eventLoop);
    peer.wakeIfParked();
    await rung;
    peer.close();
    await pause(50);
    expect(calls).toBe(1);
  });

  test('that leaves wakes everybody who sleeps', () => {
    using file = slots();
    using sleeper = leaving(file.table.take(0, Role.consumer, 'consumer', nothing));
    const producer = file.other.take(1, Role.producer, 'producer', nothing);
    const bell = (): number => file.word(0, 'bell');
    sleeper.it.spot.enter(ParkKind.thread);
    const before = bell();
    producer.leave();
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

  test('without a sign of life is gone', () => {
    using file = slots();
    using _owner = leaving(file.table.take(0, Role.consumer, 'consumer', nothing));
    rmSync(`${file.table.bellPath(0, 1)}.life`);
    const peer = new Peer(file.other, 0);
    expect(peer.watchDeath(nothing)).toBe(false);
    peer.close();
  });

  test('is let go of without a trace', async () => {
    using file = slots();
    using owner = leaving(file.table.take(0, Role.consumer, 'consumer', nothing));
    const before = openDescriptors();
    const peer = new Peer(file.other, 0);
    owner.it.spot.enter(ParkKind.eventLoop);
    expect([peer.wakeIfParked(), peer.watchDeath(nothing)]).toEqual([true, true]);
    expect(openDescriptors().size).toBe(before.size + 2);
    peer.close();
    peer.close();
    // The event loop closes what it watched when it comes to it.
    while (openDescriptors().size > before.size) await pause(1);
    expect(openDescriptors()).toEqual(before);
  });

  test('behind whose bell something else hides is not rung', () => {
    using file = slots();
    using owner = leaving(file.table.take(0, Role.consumer, 'consumer', nothing));
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
    using owner = leaving(file.table.take(0, Role.consumer, 'consumer', nothing));
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
    using _owner = leaving(file.table.take(0, Role.consumer, 'consumer', nothing));
    expect(statSync(file.table.bellPath(0, 1)).uid).toBe(NOBODY);
  });
});

describe('a process', () => {
  test.each(['nothing', 'listen unreferenced', 'listen and ignore', 'watch'])(
    'ends when nothing else keeps it, and takes its bells along: %s',
    async (deed) => {
      using file = slots();
      await using program = file.start('linger', 0, { deed });
      await program.success();
      expect(program.all('lingering')).toHaveLength(1);
      expect(file.scratch.entries()).toEqual(['slots']);
      expect(file.table.isAlive(0)).toBe(false);
    },
  );

  test('is kept by a bell that it listens to, until it is rung', async () => {
    using file = slots();
    await using program = file.start('linger', 0, { deed: 'listen' });
    await program.next('lingering');
    await pause(300);
    expect(program.running).toBe(true);
    const peer = new Peer(file.table, 0);
    expect(peer.wakeIfParked()).toBe(true);
    peer.close();
    await program.next('rung');
    await program.success();
    expect(file.scratch.entries()).toEqual(['slots']);
  });
});

describe('bells', () => {
  test('go with the file, those of the living too', async () => {
    using file = slots();
    using _one = leaving(file.table.take(0, Role.producer, 'producer', nothing));
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
      using _owner = leaving(table.take(0, Role.producer, 'producer', nothing));
      const descriptor = region.descriptor();
      await using other = new Program('core-participant', { descriptor, scene: 'hold', slot: 1 });
      await other.next('taken');
      expect(table.isAlive(1)).toBe(true);
      expect(bellsIn(scratch)).toEqual(['0.1', '1.1']);
      other.kill();
      await other.end();
      expect(table.isAlive(1)).toBe(false);
      expect(bellsIn(scratch)).toEqual(['0.1', '1.1']);
      // Neither the FIFOs of others, nor a bell that is being made, nor what is no FIFO at all.
      makeFifo(scratch.file('fifo'));
      makeFifo(`${table.bellPath(2, 1)}.new`);
      symlinkSync('nowhere', table.bellPath(2, 2));
      sweepAnonymousBells();
      expect(bellsIn(scratch)).toEqual(['0.1', '2.1.new', '2.2']);
      expect(scratch.entries()).toContain('fifo');
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
      { wrapper: inPidNamespace },
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
    using _next = leaving(file.table.take(0, Role.producer, 'producer', nothing));
  });
});
