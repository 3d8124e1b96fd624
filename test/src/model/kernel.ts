import { constants, replaceSystemCall } from '@memlane/linux';
import { nameOf, place, placesOf, type Store } from './places.ts';
import { call, run, type Source } from './run.ts';

/*
 * As much of Linux as the code under test sees: open-file-description locks on single bytes, futexes, and death.
 *
 *   lock B       the descriptor that holds the write lock on byte B, or 0
 *   asleep A     1 + the index of the word on whose futex actor A sleeps, or 0
 *   deaths       actors killed so far; `seen A`: how many of them actor A has looked around after
 *   dead A       1 killed, + 2 its locks are dropped, + 4 its FIFOs are closed
 */

const FD_SHIFT = 4;
const FIFO_SHIFT = 3;

/** The lowest descriptor that the actor that runs has not open. */
export function newDescriptor(): number {
  const under = run();
  const lowest = 31 - Math.clz32(~under.descriptors & (under.descriptors + 1));
  if (lowest >> FD_SHIFT !== 0) throw new Error(`Actor ${under.actor} has too many descriptors`);
  under.descriptors |= 1 << lowest;
  return ((under.actor + 1) << FD_SHIFT) + lowest;
}

/** The next FIFO of the actor that runs. */
export function newFifo(): number {
  const { actor } = run();
  return ((actor + 1) << FIFO_SHIFT) + run().fifos++;
}

/** Whether the owner of a FIFO holds it open. */
export function openWord(fifo: number): number {
  return place(`open ${fifo}`);
}

function fifosOf(actor: number): number[] {
  return placesOf('open ').filter((at) => Number(nameOf(at).slice(5)) >> FIFO_SHIFT === actor + 1);
}

function drop(words: readonly number[], store: Store, mine: (at: number) => boolean): void {
  for (const at of words) if (mine(at)) store[at] = 0;
}

function dropLocks(store: Store, fd: number): void {
  drop(placesOf('lock '), store, (at) => store[at] === fd);
}

/** Closes a description: its locks are free. */
export function closeDescriptor(fd: number): void {
  run().descriptors &= ~(1 << (fd & ((1 << FD_SHIFT) - 1)));
  call(
    `close descriptor ${fd}`,
    () => placesOf('lock '),
    (store) => {
      dropLocks(store, fd);
      return 0;
    },
    true,
  );
}

/** One thing that the kernel does when a process dies. */
export interface Death {
  readonly label: string;
  readonly bit: number;
  readonly touches: (actor: number) => number[];
  apply(store: Store, actor: number): void;
}

/** Bit of `dead A`: others may take what it held. */
export const LOCKS_DROPPED = 2;

/** In any order: a process's descriptors are closed one by one, and nothing says which comes first. */
export const DEATHS: readonly Death[] = [
  {
    label: 'dead: its locks are dropped',
    bit: LOCKS_DROPPED,
    touches: () => placesOf('lock '),
    apply: (store, actor) => drop(placesOf('lock '), store, (at) => (store[at] as number) >> FD_SHIFT === actor + 1),
  },
  {
    label: 'dead: its FIFOs are closed',
    bit: 4,
    touches: fifosOf,
    apply: (store, actor) => drop(fifosOf(actor), store, () => true),
  },
];

/** Value of `dead A` when nothing is left to be done. */
export const BURIED = 7;

/** Kills an actor between two of its steps. */
export function kill(store: Store, actor: number): void {
  store[place(`dead ${actor}`)] = 1;
  store[place(`asleep ${actor}`)] = 0;
  (store[place('deaths')] as number)++;
}

const EAGAIN = 11;

/** What ends the slice of a sleep, which nothing else may need. */
export interface News {
  readonly touches: () => number[];
  /** Only grows. */
  count(store: Store): number;
}

/** That somebody was killed. */
const killings: News = { touches: () => [place('deaths')], count: (store) => store[place('deaths')] as number };

/**
 * Puts the model in the place of the system calls. Futex addresses are four times the index of a word.
 *
 * @param news what ends the slice of a sleep. Default: that somebody was killed.
 */
export function replaceKernel(
  wordPlace: (index: number) => number,
  lockName: (byte: bigint) => string,
  news: News = killings,
): void {
  replaceSystemCall('fcntlLock', () => (fd, command, flock) => {
    const fields = new DataView(flock.buffer);
    const type = fields.getInt16(0, true);
    const lock = place(`lock ${lockName(fields.getBigInt64(8, true))}`);
    const touches = (): number[] => [lock];
    const held = (holder: number): boolean => holder !== 0 && holder !== fd;
    if (command === constants.F_OFD_GETLK) {
      const locked = call(`is ${nameOf(lock)} held?`, touches, (store) => (held(store[lock] as number) ? 1 : 0));
      fields.setInt16(0, locked === 1 ? constants.F_WRLCK : constants.F_UNLCK, true);
      return 0;
    }
    if (type === constants.F_UNLCK)
      return call(
        `give back ${nameOf(lock)}`,
        touches,
        (store) => {
          if (store[lock] === fd) store[lock] = 0;
          return 0;
        },
        true,
      );
    const taken = call(`try ${nameOf(lock)}`, touches, (store) => {
      if (held(store[lock] as number)) return 0;
      store[lock] = fd;
      return 1;
    });
    if (taken === 0) run().contested = lock;
    else if (run().contested === lock) run().contested = -1;
    return taken === 1 ? 0 : -EAGAIN;
  });

  replaceSystemCall('futexWait', () => (address, expected) => {
    const word = wordPlace(address / 4);
    const { actor } = run();
    const asleep = place(`asleep ${actor}`);
    const sleeps = call(
      `futex wait while ${nameOf(word)} is ${expected}`,
      () => [word, asleep],
      (store) => {
        if (store[word] !== expected) return 0;
        store[asleep] = word + 1;
        return 1;
      },
    );
    if (sleeps === 0) return -EAGAIN;
    // The slice of a sleep ends by itself only after a death that this actor has not looked around after: a wake-up that
    // a living peer owes must come from it, or nobody would notice that it is missing.
    const seen = place(`seen ${actor}`);
    call(
      'sleep in the futex',
      () => [asleep, seen, ...news.touches()],
      (store) => {
        if (store[asleep] === 0) return 1;
        if ((store[seen] as number) >= news.count(store)) return undefined;
        store[seen] = news.count(store);
        store[asleep] = 0;
        return 2;
      },
    );
    return 0;
  });

  replaceSystemCall('futexWake', () => (address) => {
    const word = wordPlace(address / 4);
    return call(
      `futex wake ${nameOf(word)}`,
      () => placesOf('asleep '),
      (store) => {
        const sleeper = placesOf('asleep ').find((at) => store[at] === word + 1);
        if (sleeper !== undefined) store[sleeper] = 0;
        return sleeper === undefined ? 0 : 1;
      },
    );
  });

  replaceTimers(news);
}

/** A timer of an event loop goes off only when there is news, like the slice of a sleep; or when a lock is free that it may be for. */
function replaceTimers(news: News): void {
  const stop = (timer: Source | undefined): void => {
    const { sources } = run();
    if (timer !== undefined && sources.includes(timer)) sources.splice(sources.indexOf(timer), 1);
  };
  const start = (listener: () => void): Source => {
    const { actor, sources, contested } = run();
    const seen = place(`seen ${actor}`);
    const timer: Source = {
      label: 'timer',
      touches: () => [seen, ...news.touches(), ...(contested >= 0 ? [contested] : [])],
      fire: (store) => {
        if (contested >= 0 && store[contested] === 0) return true;
        if ((store[seen] as number) >= news.count(store)) return false;
        store[seen] = news.count(store);
        return true;
      },
      listener: () => {
        stop(timer);
        listener();
      },
    };
    sources.push(timer);
    return timer;
  };
  Object.assign(globalThis, { setTimeout: start, clearTimeout: stop });
}
