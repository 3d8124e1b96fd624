import { expect, test } from '@jest/globals';
import { createAnonymousSlab, createSlab, type SharedReference, type Slab } from 'memlane';
import { Program } from '../support/program.ts';
import { scratchFolder } from '../support/scratch.ts';
import { pause, thrownBy } from '../support/speech.ts';
import { checkPattern } from './pattern.ts';

/** A process that does what it is told. */
async function hand(
  slab: Slab,
): Promise<{ program: Program; slot: number; does: (order: object) => Promise<unknown> }> {
  const program = new Program('slab-hand', { descriptor: slab.descriptor() });
  const slot = await program.next<number>('ready');
  const does = (order: object): Promise<unknown> => {
    program.tell(JSON.stringify(order));
    return program.next('done');
  };
  return { program, slot, does };
}

async function killed(program: Program): Promise<void> {
  program.kill();
  expect((await program.end()).signal).toBe('SIGKILL');
}

test('what a sender that dies at once has sent to somebody, or in a message, arrives whole', async () => {
  using scratch = scratchFolder();
  using slab = createSlab(scratch.file('slab'), { maxBytes: 2 ** 22, participants: 4 });
  for (const way of ['to', 'message']) {
    const { program, does } = await hand(slab);
    await using sender = program;
    expect(await does({ what: 'acquire', length: 200_000 })).toBeGreaterThanOrEqual(0);
    let reference: SharedReference;
    if (way === 'to') {
      sender.tell(JSON.stringify({ what: 'send', to: slab.slot }));
      reference = await sender.next<SharedReference>('sent');
      expect((await sender.end()).signal).toBe('SIGKILL');
    } else {
      reference = (await does({ what: 'consign', position: 1 })) as SharedReference;
      await killed(sender);
    }
    slab.sweep();
    expect(slab.holders()).toMatchObject([{ slots: [], references: 1 }]);
    {
      using buffer = slab.take(reference);
      expect(checkPattern(buffer.data, buffer.chunk + 1)).toBe(true);
    }
    slab.settle(reference);
    expect(slab.holders()).toEqual([]);
    expect(thrownBy(() => slab.take(reference))?.code).toBe('ERR_MEMLANE_STALE');
  }
});

test('what a sender has only lent is stale when it is dead', async () => {
  using slab = createAnonymousSlab({ maxBytes: 2 ** 20, participants: 4 });
  expect(slab.slot).toBe(0);
  const { program, does } = await hand(slab);
  await using sender = program;
  await does({ what: 'acquire', length: 100 });
  sender.tell(JSON.stringify({ what: 'send' }));
  const reference = await sender.next<SharedReference>('sent');
  await sender.end();
  expect(slab.sweep()).toBe(1);
  expect(thrownBy(() => slab.take(reference))?.code).toBe('ERR_MEMLANE_STALE');
  expect(slab.holders()).toEqual([]);
});

test('who takes the place of a dead one inherits nothing', async () => {
  using slab = createAnonymousSlab({ maxBytes: 2 ** 20, participants: 2 });
  const keeper = slab.slot;
  const first = await hand(slab);
  await using dead = first.program;
  for (let count = 0; count < 20; count++) await first.does({ what: 'acquire', length: 1000 * count });
  using mine = slab.tryAcquire(64);
  mine?.share({ to: first.slot });
  expect(slab.holders().filter(({ slots }) => slots.includes(first.slot))).toHaveLength(20);
  await killed(dead);
  const second = await hand(slab);
  await using heir = second.program;
  expect(second.slot).toBe(first.slot);
  expect(slab.holders()).toMatchObject([{ slots: [keeper], references: 0 }]);
  expect(await second.does({ what: 'close' })).toBeNull();
  heir.kill();
});

test.each(['wait', 'waitSync'])('who waits for room (%s) is woken by a release, and by a death', async (what) => {
  using scratch = scratchFolder();
  using slab = createSlab(scratch.file('slab'), { maxBytes: 2 ** 18, participants: 4 });
  const waiting = await hand(slab);
  await using waiter = waiting.program;
  for (const end of ['release', 'death', 'trim']) {
    const holding = await hand(slab);
    await using holder = holding.program;
    expect(await holding.does({ what: 'acquire', length: 2 ** 17 + 1 })).toBeGreaterThanOrEqual(0);
    waiter.tell(JSON.stringify({ what, length: 2 ** 17 + 2 }));
    await waiter.next('waits');
    await pause(50); // asleep, most likely; right in any case
    if (end === 'death') await killed(holder);
    else await holding.does({ what: 'release' });
    expect(await waiter.next('done')).toBeGreaterThanOrEqual(0);
    waiter.tell(JSON.stringify({ what: 'release' }));
    await waiter.next('done');
    holder.kill();
  }
  expect(slab.sweep()).toBeGreaterThanOrEqual(0);
  expect(slab.holders()).toEqual([]);
});

test('128 who hold, share and release one buffer, some of whom die', async () => {
  using slab = createAnonymousSlab({ maxBytes: 2 ** 20, participants: 160, references: 8 });
  const crews = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const program = new Program('slab-crowd', { descriptor: slab.descriptor(), members: 32 });
      await program.next('ready');
      return program;
    }),
  );
  try {
    const buffer = slab.tryAcquire(500);
    if (buffer === null) throw new Error('there is no room');
    buffer.data.fill(7);
    const { chunk, generation } = buffer;
    // Each passes on what it has got, for as long as this one and others share it.
    for (const program of crews)
      program.tell(JSON.stringify(Array.from({ length: 2 }, () => buffer.share({ to: slab.slot }))));
    await Promise.all(crews.map((program) => program.next('holds')));
    expect(slab.holders()[0]?.slots).toHaveLength(129);
    await killed(crews[0] as Program);
    buffer.release();
    slab.sweep();
    expect(slab.holders()).toMatchObject([{ chunk, generation }]);
    for (const program of crews.slice(1)) program.tell('release');
    await Promise.all(crews.slice(1).map((program) => program.next('released')));
    slab.sweep();
    expect(slab.holders()).toEqual([]);
  } finally {
    await Promise.all(crews.map((program) => program[Symbol.asyncDispose]()));
  }
}, 60_000);
