import type { MemlaneError } from '@memlane/linux';
import {
  attachLatestValue,
  attachWorkQueue,
  createAnonymousLatestValue,
  createAnonymousWorkQueue,
  createLatestValue,
  createWorkQueue,
  type LatestValue,
  type LatestValueDescriptor,
  openLatestValue,
  openWorkQueue,
  removeLatestValue,
  removeWorkQueue,
  type WorkQueue,
  type WorkQueueDescriptor,
  type WorkQueueShape,
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

/** What the creator of a queue decides of its size. */
export interface QueueShape extends WorkQueueShape {
  /** Space for messages that are longer than `messageBytes`; reserved when it is used. Default 1 GiB. */
  readonly maxLargeBytes?: number;
}

/** What a queue consists of, open. */
export interface QueueParts {
  readonly messages: WorkQueue;
  readonly large: Slab;
  /** Those of the codec msgpack. */
  readonly structures: LatestValue | undefined;
}

/** What another thread or process needs to open them. */
export interface QueuePartsDescriptor {
  readonly messages: WorkQueueDescriptor;
  readonly large: SlabDescriptor;
  readonly structures: LatestValueDescriptor | undefined;
}

const STRUCTURES = { valueBytes: STRUCTURES_BYTES };

/** Makes the files of a queue in a folder. */
export function createParts(folder: string, shape: QueueShape, hasStructures: boolean, mode: number | undefined): void {
  const { maxLargeBytes, ...rest } = shape;
  createWorkQueue(partOf(folder, 'messages'), { ...rest, mode }).close();
  createSlab(partOf(folder, 'large'), { maxBytes: maxLargeBytes, participants: participantsOf(shape), mode }).close();
  if (hasStructures) createLatestValue(partOf(folder, 'structures'), { ...STRUCTURES, mode }).close();
}

/** Makes a queue without a name. */
export function createAnonymousParts(shape: QueueShape, hasStructures: boolean): QueueParts {
  const { maxLargeBytes, ...rest } = shape;
  return together((own) => ({
    messages: own(createAnonymousWorkQueue(rest)),
    large: own(createAnonymousSlab({ maxBytes: maxLargeBytes, participants: participantsOf(shape) })),
    structures: hasStructures ? own(createAnonymousLatestValue(STRUCTURES)) : undefined,
  }));
}

/** Opens the files of a queue. */
export function openParts(path: string, hasStructures: boolean): QueueParts {
  return together((own) => ({
    messages: own(openWorkQueue(partOf(path, 'messages'))),
    large: own(openSlab(partOf(path, 'large'))),
    structures: hasStructures ? own(openLatestValue(partOf(path, 'structures'))) : undefined,
  }));
}

export function attachParts(descriptor: QueuePartsDescriptor): QueueParts {
  const { messages, large, structures } = descriptor;
  return together((own) => ({
    messages: own(attachWorkQueue(messages)),
    large: own(attachSlab(large)),
    structures: structures === undefined ? undefined : own(attachLatestValue(structures)),
  }));
}

/** Removes the files of a queue, the one first in which those are who use it. @throws ERR_MEMLANE_BUSY */
export function removeParts(path: string): void {
  const parts = { messages: removeWorkQueue, large: removeSlab, structures: removeLatestValue } as const;
  for (const [part, remove] of Object.entries(parts))
    try {
      remove(partOf(path, part as keyof typeof parts));
    } catch (error) {
      if (((error as MemlaneError).code as string) !== 'ENOENT') throw error;
    }
}

/** Each of those who send or receive may hold messages that are long: a thread may do both, and more with them. */
function participantsOf({ producers = 8, consumers = 8 }: QueueShape): number {
  return Math.min(1024, 2 * (producers + consumers));
}

/** Opens several things; where one fails, closes those before it. */
function together<Parts>(open: (own: <Part extends Disposable>(part: Part) => Part) => Parts): Parts {
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
