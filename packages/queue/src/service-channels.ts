import { checkInteger } from '@memlane/linux';
import {
  attachRing,
  attachWorkQueue,
  createAnonymousRing,
  createAnonymousWorkQueue,
  createRing,
  createWorkQueue,
  openRing,
  openWorkQueue,
  type Ring,
  type RingDescriptor,
  type RingShape,
  removeRing,
  removeWorkQueue,
  type WorkQueue,
  type WorkQueueDescriptor,
  type WorkQueueShape,
} from '@memlane/ring';
import type { Carrier } from './queue-parts.ts';

/** The files of a service, by what its creator decides. */
export interface ServicePlan {
  readonly requests: WorkQueueShape;
  readonly control: RingShape;
  readonly replies: RingShape;
  /** Reply rings. */
  readonly clients: number;
}

/** What another thread or process needs to open them. */
export interface ServiceChannelsDescriptor {
  readonly requests: WorkQueueDescriptor;
  readonly control: RingDescriptor;
  readonly replies: readonly RingDescriptor[];
}

/** The channels of a service, opened by one thread: see service-protocol.ts. */
export class ServiceChannels implements Disposable {
  readonly requests: WorkQueue;
  readonly control: Ring;
  /** Places of clients. */
  readonly clients: number;
  readonly #open: (client: number) => Ring;
  readonly #replies = new Map<number, Ring>();

  constructor(requests: WorkQueue, control: Ring, open: (client: number) => Ring, replies: readonly Ring[] = []) {
    this.requests = requests;
    this.control = control;
    this.clients = control.producers;
    this.#open = open;
    for (const [client, ring] of replies.entries()) this.#replies.set(client, ring);
  }

  /** The ring of replies to a client; opened when it is first needed. */
  replies(client: number): Ring {
    let ring = this.#replies.get(client);
    if (ring === undefined) {
      ring = this.#open(checkInteger('client', client, 0, this.clients - 1));
      this.#replies.set(client, ring);
    }
    return ring;
  }

  /** Whether a client is there. One system call. */
  isThere({ client, tenant }: { readonly client: number; readonly tenant: number }): boolean {
    return client >= 0 && client < this.clients && this.control.tenantOf(client) === tenant;
  }

  descriptor(): ServiceChannelsDescriptor {
    const replies = Array.from({ length: this.clients }, (_, client) => this.replies(client).descriptor());
    return { requests: this.requests.descriptor(), control: this.control.descriptor(), replies };
  }

  close(): void {
    for (const ring of this.#replies.values()) ring.close();
    this.control.close();
    this.requests.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const controlAt = (path: string): string => `${path}.control`;
const repliesAt = (path: string, client: number): string => `${path}.replies-${client}`;

/** Makes and opens them: in files beside one another, or without names, and then all at once, for they end with the last who has them. */
export const channelsCarrier: Carrier<ServicePlan, ServiceChannels, ServiceChannelsDescriptor> = {
  create(path, { requests, control, replies, clients, mode }) {
    createWorkQueue(path, { ...requests, mode }).close();
    createRing(controlAt(path), { ...control, mode }).close();
    for (let client = 0; client < clients; client++) createRing(repliesAt(path, client), { ...replies, mode }).close();
    return this.open(path);
  },
  createAnonymous: ({ requests, control, replies, clients }) =>
    allOrNone((own) => ({
      requests: own(createAnonymousWorkQueue(requests)),
      control: own(createAnonymousRing(control)),
      replies: Array.from({ length: clients }, () => own(createAnonymousRing(replies))),
    })),
  open: (path) =>
    allOrNone(
      (own) => ({ requests: own(openWorkQueue(path)), control: own(openRing(controlAt(path))), replies: [] }),
      (client) => openRing(repliesAt(path, client)),
    ),
  attach: ({ requests, control, replies }) =>
    allOrNone((own) => ({
      requests: own(attachWorkQueue(requests)),
      control: own(attachRing(control)),
      replies: replies.map((descriptor) => own(attachRing(descriptor))),
    })),
  remove(path) {
    removeWorkQueue(path);
    const clients = clientsAt(path);
    for (let client = 0; client < clients; client++) removeRing(repliesAt(path, client));
    removeRing(controlAt(path)); // last: it says how many there are
  },
};

function clientsAt(path: string): number {
  using control = openRing(controlAt(path));
  return control.producers;
}

interface Opened {
  readonly requests: WorkQueue;
  readonly control: Ring;
  readonly replies: readonly Ring[];
}

/** Opens several things; where one fails, closes those before it. */
function allOrNone(
  open: (own: <Part extends Disposable>(part: Part) => Part) => Opened,
  openLater: (client: number) => Ring = () => {
    throw new RangeError('no such client'); // all are open
  },
): ServiceChannels {
  const opened: Disposable[] = [];
  try {
    const { requests, control, replies } = open((part) => {
      opened.push(part);
      return part;
    });
    return new ServiceChannels(requests, control, openLater, replies);
  } catch (error) {
    for (const part of opened) part[Symbol.dispose]();
    throw error;
  }
}
