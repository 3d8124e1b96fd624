import type { SharedBuffer, SharedReference, Slab } from '@memlane/slab';
import { checkpoint, note } from './cell-bed.ts';
import type { Actor, Scenario, Seen } from './explorer.ts';
import type { Store } from './places.ts';
import { BUFFER_BYTES, chunkOf, generationNow, openModelSlab, post, prepareSlab, receive } from './slab-bed.ts';
import type { SlabScenarioName } from './slab-names.ts';

/*
 * Everybody wants the same chunk. A buffer is told from another in the same chunk by its generation, which its holders note:
 * as long as one of them lives and has not said that it gives the buffer up, the chunk must be that buffer. The same goes for
 * a reference under way. When nobody can make a step any more nobody has anything, and the chunk must be free, and be found.
 */

const WAYBILL = { carrier: 1, lane: 0, position: 0 };

/** One actor, and what it holds. */
class Hand {
  readonly slab: Slab = openModelSlab();
  #count = 0;

  /** Its place is taken before the others begin. */
  constructor() {
    void this.slab.slot;
  }

  /** Tells all that it depends on. */
  #checkpoint(buffer?: SharedBuffer): void {
    this.#count += 1;
    checkpoint([this.slab, buffer], this.#count);
  }

  acquire(): SharedBuffer | undefined {
    this.#checkpoint();
    const buffer = this.slab.tryAcquire(BUFFER_BYTES) ?? undefined;
    if (buffer !== undefined) note('has', buffer.generation);
    return buffer;
  }

  /** @param isLast whether the reference is used up by that. */
  take(reference: SharedReference | undefined, isLast = true): SharedBuffer | undefined {
    if (reference === undefined) return undefined;
    this.#checkpoint();
    if (isLast) note('ends', reference.generation);
    try {
      const buffer = this.slab.take(reference);
      note('has', buffer.generation);
      if (buffer.generation !== reference.generation) throw new Error('another buffer was taken');
      return buffer;
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_MEMLANE_STALE') throw error;
      note('stale', reference.generation);
      return undefined;
    }
  }

  settle(reference: SharedReference | undefined): void {
    if (reference === undefined) return;
    this.#checkpoint();
    note('ends', reference.generation);
    this.slab.settle(reference);
  }

  release(buffer: SharedBuffer | undefined): void {
    if (buffer === undefined) return;
    this.#checkpoint(buffer);
    if (generationNow() !== buffer.generation) throw new Error('it is another buffer by now');
    note('gives', buffer.generation);
    buffer.release();
  }

  share(buffer: SharedBuffer, to?: number): SharedReference {
    this.#checkpoint(buffer);
    const reference = to === undefined ? buffer.share() : buffer.share({ to });
    note(to === undefined ? 'lends' : 'sends', reference.generation);
    return reference;
  }

  consign(buffer: SharedBuffer): SharedReference {
    this.#checkpoint(buffer);
    const reference = buffer.consign(WAYBILL);
    note('sends', reference.generation);
    return reference;
  }

  sweep(): void {
    this.#checkpoint();
    this.slab.sweep();
  }

  leave(): void {
    this.#checkpoint();
    note('leaves');
    this.slab.close();
  }
}

/** What may never be: a chunk that is not the buffer any more that somebody who lives has, or that is under way. */
function always(actors: readonly Seen[], store: Store): string | undefined {
  const { status, generation } = chunkOf(store);
  /** By generation, how many references are under way. */
  const underWay = new Map<number, number>();
  const count = (of: number, by: number): void => void underWay.set(of, (underWay.get(of) ?? 0) + by);
  for (const { name, notes, state } of actors) {
    const lives = state !== 'dead' && !notes.some(({ event }) => event === 'leaves');
    let has = 0;
    for (const { event, value } of notes) {
      if (event === 'has') has = value;
      if (event === 'gives') has = 0;
      if (event === 'sends' || (event === 'lends' && lives)) count(value, 1);
      if (event === 'ends') count(value, -1);
    }
    if (has === 0 || !lives) continue;
    if (status === 0 || status === 1 || generation !== has) return `the buffer that ${name} has was given away`;
  }
  for (const [of, references] of underWay)
    if (references > 0 && (status === 0 || status === 1 || generation !== of))
      return 'the buffer that is under way was given away';
  return undefined;
}

interface Rules {
  /** Whether somebody always gets what was sent. */
  readonly arrives?: boolean;
  /** Whether what names the place of one who has left may stay, as long as that says so: whoever sweeps ends it. */
  readonly unswept?: boolean;
}

function atEnd(actors: readonly Seen[], store: Store, { arrives = false, unswept = false }: Rules): string | undefined {
  const { status, isFindable, isNamed, uses } = chunkOf(store);
  if (unswept && uses !== 0) return undefined;
  if (isNamed) return 'the chunk is held by nobody who knows';
  if (status !== 0) return `the chunk is lost in state ${status}`;
  if (!isFindable) return 'the chunk is free, and nobody finds it';
  if (arrives && actors.some(({ notes }) => notes.some(({ event }) => event === 'stale'))) return 'it did not arrive';
  return undefined;
}

type Cast = readonly [name: string, begin: () => void, more?: Partial<Actor>];

function scene(cast: readonly Cast[], rules: Rules = {}): Scenario {
  const actors = cast.map(
    ([name, begin, more = {}]): Actor => ({
      name,
      begin,
      prepared: more.after === undefined && more.afterEnd === undefined,
      ...more,
    }),
  );
  return {
    actors,
    kills: actors.some(({ mortal }) => mortal) ? 1 : 0,
    prepare: prepareSlab,
    always,
    atEnd: (seen, store) => atEnd(seen, store, rules),
  };
}

/** Has the buffer, a reference to which has been told before the others begin, and held it until then. */
function withSent(hand: Hand, way: 'lend' | 'carry' | number, then: (buffer: SharedBuffer) => void): void {
  const buffer = hand.slab.tryAcquire(BUFFER_BYTES) as SharedBuffer;
  const reference =
    way === 'lend' ? buffer.share() : way === 'carry' ? buffer.consign(WAYBILL) : buffer.share({ to: way });
  post(0, reference);
  note('has', buffer.generation);
  note(way === 'lend' ? 'lends' : 'sends', reference.generation);
  then(buffer);
}

/** Has what was told in a letter before the others begin. */
function afterMail(then: (hand: Hand, reference: SharedReference) => void): void {
  const hand = new Hand();
  const reference = receive(0) as SharedReference;
  note('attached');
  then(hand, reference);
}

const mortal = { mortal: true };

/** Sender of a reference in one of the ways, which gives its own hold up. */
const sender = (way: 'lend' | 'carry'): (() => void) => {
  return () => {
    const hand = new Hand();
    withSent(hand, way, (buffer) => hand.release(buffer));
  };
};
/** Sender that gave its own hold up before the others began. */
const gone = (way: 'lend' | 'carry'): (() => void) => {
  return () => {
    const hand = new Hand();
    const buffer = hand.slab.tryAcquire(BUFFER_BYTES) as SharedBuffer;
    const reference = way === 'lend' ? buffer.share() : buffer.consign(WAYBILL);
    post(0, reference);
    buffer.release();
    note(way === 'lend' ? 'lends' : 'sends', reference.generation);
  };
};
const taker = (isLast = true): (() => void) => {
  return () =>
    afterMail((hand, reference) => {
      hand.release(hand.take(reference, isLast));
    });
};
const settler = (): void => afterMail((hand, reference) => hand.settle(reference));
/** Has taken the buffer before the others begin, releases it. */
const holder = (): void => {
  const hand = new Hand();
  const buffer = hand.slab.take(receive(0) as SharedReference);
  note('has', buffer.generation);
  note('ends', buffer.generation);
  hand.release(buffer);
};
const acquirer = (): void => {
  const hand = new Hand();
  note('attached');
  hand.release(hand.acquire());
};
const sweeper = (): void => new Hand().sweep();
/** Takes the place that the dead one had, if it is the first that is free. */
const heir = (): void => {
  const hand = new Hand();
  hand.release(hand.acquire());
  hand.sweep();
};

/** Settles a reference beside the take of another, and has the chunk as another buffer at once. */
const reuser = (): void => {
  const hand = new Hand();
  const buffer = hand.slab.tryAcquire(BUFFER_BYTES) as SharedBuffer;
  const reference = buffer.share();
  post(0, reference);
  buffer.release();
  note('attached');
  hand.settle(reference);
  hand.release(hand.acquire());
};

/** Every scenario by its name. */
export const scenarios: Readonly<Record<SlabScenarioName, () => Scenario>> = {
  'slab: two release, a third acquires': () =>
    scene([
      ['sender', sender('lend')],
      ['holder', holder],
      ['acquirer', acquirer],
    ]),
  'slab: shared, released and taken': () =>
    scene([
      ['sender', sender('lend')],
      ['taker', taker()],
      ['acquirer', acquirer],
    ]),
  'slab: shared while another releases': () =>
    scene([
      [
        'sender',
        () => {
          const hand = new Hand();
          withSent(hand, 'lend', (buffer) => {
            const reference = hand.share(buffer);
            hand.release(buffer);
            hand.settle(reference);
          });
        },
      ],
      ['holder', holder],
    ]),
  'slab: shared and left': () =>
    scene([
      [
        'sender',
        () => {
          const hand = new Hand();
          withSent(hand, 'lend', () => hand.leave());
        },
      ],
      ['taker', taker()],
    ]),
  'slab: sent to one, sender killed': () =>
    scene(
      [
        [
          'taker',
          () => {
            const hand = new Hand();
            note('attached');
            hand.release(hand.take(receive(0)));
          },
        ],
        [
          'sender',
          () => {
            const hand = new Hand();
            withSent(hand, 0, (buffer) => {
              hand.release(buffer);
              hand.leave();
            });
          },
          mortal,
        ],
        ['sweeper', sweeper, { after: 'sender' }],
      ],
      { arrives: true },
    ),
  'slab: sent to one who is killed': () =>
    scene([
      [
        'taker',
        () => {
          const hand = new Hand();
          note('attached');
          const buffer = hand.take(receive(0));
          hand.release(buffer);
        },
        mortal,
      ],
      [
        'sender',
        () => {
          const hand = new Hand();
          withSent(hand, 0, (buffer) => hand.release(buffer));
        },
      ],
      // What was sent to the dead one is not under way any more.
      [
        'sweeper',
        () => {
          note('ends', 1);
          sweeper();
        },
        { after: 'taker' },
      ],
    ]),
  'slab: carried, taken and settled': () =>
    scene([
      ['sender', sender('carry')],
      ['taker', taker(false)],
      ['settler', settler],
    ]),
  'slab: carried, two takers': () =>
    scene([
      ['sender', gone('carry')],
      ['taker 1', taker(false)],
      [
        'taker 2',
        () =>
          afterMail((hand, reference) => {
            hand.release(hand.take(reference, false));
            hand.settle(reference);
          }),
      ],
    ]),
  'slab: carried, two takers, one killed': () =>
    scene([
      ['sender', gone('carry')],
      ['taker 1', taker(false), mortal],
      [
        'taker 2',
        () =>
          afterMail((hand, reference) => {
            const buffer = hand.take(reference, false);
            hand.settle(reference);
            hand.release(buffer);
          }),
      ],
      ['sweeper', sweeper, { after: 'taker 1' }],
    ]),
  'slab: settled by two': () =>
    scene([
      ['sender', gone('carry')],
      ['settler 1', settler],
      ['settler 2', settler],
    ]),
  'slab: settled by two, a third releases': () =>
    scene([
      ['sender', sender('carry')],
      ['settler 1', settler],
      ['settler 2', settler],
    ]),
  'slab: settled beside a take': () =>
    scene([
      ['sender', sender('lend')],
      ['taker', taker()],
      ['settler', settler],
    ]),
  'slab: a stale reference and another buffer': () =>
    scene([
      ['owner', reuser],
      ['taker', taker()],
    ]),
  'slab: a stale reference and another buffer, taker killed': () =>
    scene([
      ['owner', reuser],
      ['taker', taker(), mortal],
      ['sweeper', sweeper, { after: 'taker' }],
    ]),
  'slab: two release, one killed': () =>
    scene([
      ['sender', sender('lend')],
      ['holder', holder, mortal],
      ['sweeper', sweeper, { after: 'holder' }],
    ]),
  'slab: settled, and killed': () =>
    scene([
      ['sender', sender('carry')],
      ['settler', settler, mortal],
      [
        'heir',
        () => {
          const hand = new Hand();
          const reference = receive(0) as SharedReference;
          hand.settle(reference);
          hand.sweep();
        },
        { after: 'settler' },
      ],
    ]),
  'slab: owner killed and succeeded': () =>
    scene([
      ['owner', acquirer, mortal],
      ['acquirer', acquirer],
      ['heir', heir, { after: 'owner' }],
    ]),
  'slab: consigned, and killed': () =>
    scene([
      [
        'sender',
        () => {
          const hand = new Hand();
          const buffer = hand.slab.tryAcquire(BUFFER_BYTES) as SharedBuffer;
          note('has', buffer.generation);
          const reference = hand.consign(buffer);
          post(0, reference);
          hand.release(buffer);
          note('ends', reference.generation);
          hand.slab.settleCarried(WAYBILL.carrier, () => true);
        },
        mortal,
      ],
      [
        'taker',
        () => {
          const hand = new Hand();
          note('attached');
          hand.release(hand.take(receive(0), false));
        },
      ],
      [
        'heir',
        () => {
          const hand = new Hand();
          hand.sweep();
          note('ends', 1);
          hand.slab.settleCarried(WAYBILL.carrier, () => true);
        },
        { after: 'sender' },
      ],
    ]),
  'slab: sent to one who leaves': () =>
    scene(
      [
        [
          'sender',
          () => {
            const hand = new Hand();
            const buffer = hand.slab.tryAcquire(BUFFER_BYTES) as SharedBuffer;
            note('has', buffer.generation);
            buffer.share({ to: 1 });
            hand.release(buffer);
          },
        ],
        [
          'leaver',
          () => {
            const hand = new Hand();
            note('attached');
            hand.leave();
          },
        ],
      ],
      { unswept: true },
    ),
};
