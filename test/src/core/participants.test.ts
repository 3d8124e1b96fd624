import { chmodSync, chownSync, constants, statSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { Role, SlotState, StatisticsIndex, withAttachLock } from '@memlane/core';
import { replaceSystemCall, tryLockByte } from '@memlane/linux';
import { NOBODY, rootTest } from '../linux/machine.ts';
import { openDescriptors } from '../linux/proc.ts';
import { pause, thrownBy } from '../support/speech.ts';
import { wordOf } from './participation.ts';
import { ATTACH_BYTE, bellsIn, leaving, nothing, slots } from './slots.ts';

describe('a slot', () => {
  test('is taken visibly, and given back', async () => {
    using file = slots();
    const word = file.word.bind(undefined, 1);
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
    await pause(10); // the event loop closes what it watched in its next turn
    expect(openDescriptors()).toEqual(before);
  });

  test('has another generation, and another bell, with each owner', () => {
    using file = slots();
    for (const generation of [1, 2, 3]) {
      using _owner = leaving(file.table.take(0, Role.producer, 'producer', nothing));
      expect(file.word(0, 'generation')).toBe(generation);
      expect(bellsIn(file.scratch)).toEqual([`0.${generation}`]);
    }
  });

  test('has statistics of its own, where the layout says', () => {
    using file = slots();
    using owner = leaving(file.table.take(2, Role.producer, 'producer', nothing));
    for (const [name, index] of Object.entries(StatisticsIndex)) {
      owner.it.statistics[index] = index + 0.5;
      const offset = wordOf(2, name as keyof typeof StatisticsIndex) * 4;
      expect(new Float64Array(file.other.words.buffer, offset, 1)[0]).toBe(index + 0.5);
    }
    expect(owner.it.bellAddress - file.table.bellAddress(0)).toBe((wordOf(2, 'bell') - wordOf(0, 'bell')) * 4);
  });

  test('is taken once: by the same process, by the same table, by another process', async () => {
    using file = slots();
    using _owner = leaving(file.table.take(0, Role.producer, 'producer', nothing));
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
    using _neighbour = leaving(file.other.take(1, Role.consumer, 'consumer', nothing));
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

rootTest('a stranger, whose bell the owner of the file would not answer, gets no slot and leaves nothing', async () => {
  using file = slots();
  chmodSync(file.scratch.path, 0o777);
  chmodSync(file.path, 0o666);
  chownSync(file.path, 1, 1);
  await using stranger = file.start('try', 0, { stranger: { uid: NOBODY, trustOwner: 1 } });
  expect(await stranger.next('tried')).toMatchObject({ code: 'ERR_MEMLANE_OWNER' });
  expect(file.table.isAlive(0)).toBe(false);
  expect(file.scratch.entries()).toEqual(['slots']);
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
    using _next = leaving(file.table.take(0, Role.producer, 'producer', nothing));
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
    const load = file.word.bind(undefined, 0);
    await using owner = file.start('hold', 0);
    await owner.next('taken');
    owner.tell('park');
    await owner.next('done');
    owner.kill();
    await owner.end();
    expect([load('state'), load('parked') & 2]).toEqual([SlotState.active, 2]);
    expect(bellsIn(file.scratch)).toEqual(['0.1']);

    let seen: unknown;
    using _next = leaving(
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
      state: SlotState.entering,
      asleep: 0,
      bells: [],
      generation: 1,
      locked: true,
      attaching: true,
    });
    expect([load('state'), load('generation'), load('pid')]).toEqual([SlotState.active, 2, process.pid]);
  });
});

test('a participant who gets no bell leaves neither the other one nor its place taken', () => {
  using file = slots();
  const before = openDescriptors();
  for (const refused of ['open', 'mkfifo'] as const) {
    let calls = 0;
    // The sign of life is had, the bell is not.
    using _fault = replaceSystemCall(refused, (original) => {
      const call = original as (...parameters: unknown[]) => number;
      return (...parameters: unknown[]) => (++calls === (refused === 'open' ? 1 : 2) ? -24 : call(...parameters));
    });
    expect(thrownBy(() => file.table.take(0, Role.producer, 'producer', nothing))).toMatchObject({ code: 'EMFILE' });
    expect(file.scratch.entries()).toEqual(['slots']);
    expect(openDescriptors()).toEqual(before);
    expect(file.other.isAlive(0)).toBe(false);
  }
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
    expect(file.word(0, 'state')).toBe(SlotState.vacant);
    expect(openDescriptors()).toEqual(before);
    expect(bellsIn(file.scratch)).toEqual([]);
    using _next = leaving(file.other.take(0, Role.producer, 'producer', nothing));
  });

  test('whose process is killed in it is done again by the next', async () => {
    using file = slots();
    await using victim = file.start('die in recovery', 0);
    expect(await victim.next('recovering')).toEqual({ alive: true });
    expect(await victim.end()).toMatchObject({ signal: 'SIGKILL' });
    expect(file.table.isAlive(0)).toBe(false);
    expect(file.word(0, 'state')).toBe(SlotState.entering);
    let recovered = 0;
    using _next = leaving(file.table.take(0, Role.producer, 'producer', () => recovered++));
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
