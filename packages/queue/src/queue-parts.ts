import type { MemlaneError } from '@memlane/linux';
import {
  attachLatestValue,
  createAnonymousLatestValue,
  createLatestValue,
  type LatestValue,
  type LatestValueDescriptor,
  openLatestValue,
  removeLatestValue,
} from '@memlane/ring';
import {
  attachSlab,
  createAnonymousSlab,
  createSlab,
  openSlab,
  removeSlab,
  type Slab,
  type SlabDescriptor,
} from '@memlane/slab';
import { STRUCTURES_BYTES } from './msgpack-codec.ts';
import { partOf } from './queue-store.ts';

/** What carries the messages: a work queue, or a ring. */
export interface Carrier<Shape, Messages, Descriptor> {
  create(path: string, shape: Shape & { mode?: number | undefined }): Messages;
  createAnonymous(shape: Shape): Messages;
  open(path: string): Messages;
  attach(descriptor: Descriptor): Messages;
  remove(path: string): void;
}

/** What a queue consists of, open. */
export interface Parts<Messages> {
  readonly messages: Messages;
  /** Messages that are too long for the others' memory. */
  readonly large: Slab;
  /** Those of the codec msgpack. */
  readonly structures: LatestValue | undefined;
}

/** What another thread or process needs to open them. */
export interface PartsDescriptor<Descriptor> {
  readonly messages: Descriptor;
  readonly large: SlabDescriptor;
  readonly structures: LatestValueDescriptor | undefined;
}

/** What the creator decides. */
export interface PartsShape<Shape> {
  readonly messages: Shape;
  readonly maxLargeBytes: number | undefined;
  /** Senders and receivers, at the most. */
  readonly endpoints: number;
  readonly hasStructures: boolean;
}

const STRUCTURES = { valueBytes: STRUCTURES_BYTES };

/** The parts of queues of one pattern. */
export class PartsFactory<Shape, Messages extends Disposable, Descriptor> {
  readonly #carrier: Carrier<Shape, Messages, Descriptor>;

  constructor(carrier: Carrier<Shape, Messages, Descriptor>) {
    this.#carrier = carrier;
  }

  /** Makes the files of a queue in a folder. */
  create(folder: string, shape: PartsShape<Shape>, mode: number | undefined): void {
    const at = (part: Parameters<typeof partOf>[1]): string => partOf(folder, part);
    this.#carrier.create(at('messages'), { ...shape.messages, mode })[Symbol.dispose]();
    createSlab(at('large'), { ...slabOf(shape), mode }).close();
    if (shape.hasStructures) createLatestValue(at('structures'), { ...STRUCTURES, mode }).close();
  }

  /** Makes a queue without a name. */
  createAnonymous(shape: PartsShape<Shape>): Parts<Messages> {
    return together((own) => ({
      messages: own(this.#carrier.createAnonymous(shape.messages)),
      large: own(createAnonymousSlab(slabOf(shape))),
      structures: shape.hasStructures ? own(createAnonymousLatestValue(STRUCTURES)) : undefined,
    }));
  }

  /** Opens the files of a queue. */
  open(path: string, hasStructures: boolean): Parts<Messages> {
    return together((own) => ({
      messages: own(this.#carrier.open(partOf(path, 'messages'))),
      large: own(openSlab(partOf(path, 'large'))),
      structures: hasStructures ? own(openLatestValue(partOf(path, 'structures'))) : undefined,
    }));
  }

  attach({ messages, large, structures }: PartsDescriptor<Descriptor>): Parts<Messages> {
    return together((own) => ({
      messages: own(this.#carrier.attach(messages)),
      large: own(attachSlab(large)),
      structures: structures === undefined ? undefined : own(attachLatestValue(structures)),
    }));
  }

  /** Removes the files of a queue, the one first in which those are who use it. @throws ERR_MEMLANE_BUSY */
  readonly remove = (path: string): void => {
    const parts = { messages: this.#carrier.remove, large: removeSlab, structures: removeLatestValue } as const;
    for (const part of ['messages', 'large', 'structures'] as const)
      try {
        parts[part](partOf(path, part));
      } catch (error) {
        if (((error as MemlaneError).code as string) !== 'ENOENT') throw error;
      }
  };
}

/** Each of those who send or receive may hold messages that are long; a thread that does both has one place in the slab. */
function slabOf<Shape>({ maxLargeBytes, endpoints }: PartsShape<Shape>): {
  maxBytes: number | undefined;
  participants: number;
} {
  return { maxBytes: maxLargeBytes, participants: Math.min(MOST_PARTICIPANTS, 2 * endpoints) };
}

const MOST_PARTICIPANTS = 1024;

/** Opens several things; where one fails, closes those before it. */
function together<Opened>(open: (own: <Part extends Disposable>(part: Part) => Part) => Opened): Opened {
  const opened: Disposable[] = [];
  try {
    return open((part) => {
      opened.push(part);
      return part;
    });
  } catch (error) {
    for (const part of opened) part[Symbol.dispose]();
    throw error;
  }
}
