import { existsSync, truncateSync, writeFileSync } from 'node:fs';
import {
  attachRing,
  type Consumer,
  createAnonymousRing,
  createRing,
  type EndpointOptions,
  guard,
  openOrCreateRing,
  openRing,
  type Producer,
  Region,
  type Ring,
  removeRing,
  SharedRegion,
} from 'memlane';
import { CAPACITY } from '../ring/conformance/bed.ts';

/** Anything may be passed for it. */
// biome-ignore lint/suspicious/noExplicitAny: that is the point
type Any = any;

/** A public function, arguments with which it works, and how it is called with those that are made of them. */
export interface Call {
  readonly name: string;
  readonly right: readonly unknown[];
  readonly call: (bed: ArgumentsBed, ...given: Any[]) => unknown;
  /** Wrong arguments are refused by Node, whose class it extends. */
  readonly byNode?: true;
  /** Takes anything. */
  readonly lenient?: true;
}

/** Two rings: a producer whose ring has room, and a consumer whose ring has messages. */
class Ends implements Disposable {
  readonly producer: Producer;
  readonly reader: Consumer;
  readonly #rings: readonly [Ring, Ring];
  readonly #reading: Consumer;
  readonly #writing: Producer;

  constructor(make: (name: string) => Ring, options: EndpointOptions) {
    const [written, read] = [make('written'), make('read')];
    this.#rings = [written, read];
    this.producer = written.producer(options);
    this.#reading = written.consumer(options);
    this.reader = read.consumer(options);
    this.#writing = read.producer(options);
  }

  refresh(): void {
    this.#reading.poll(() => {});
    this.producer.abort();
    while (this.#writing.tryWrite('something to read'));
  }

  [Symbol.dispose](): void {
    for (const ring of this.#rings) ring.close();
  }
}

/** What the calls are made on: in a folder of their own, which is also the working directory. */
export class ArgumentsBed implements Disposable {
  readonly ring: Ring = createAnonymousRing({ capacityBytes: CAPACITY });
  readonly plain: Ends = new Ends(() => createAnonymousRing({ capacityBytes: CAPACITY }), {});
  readonly mending: Ends = new Ends((name) => createRing(`./${name}`, { capacityBytes: CAPACITY, checksums: true }), {
    recover: true,
  });
  readonly region: Region = Region.createAnonymous(65536);
  readonly shared: SharedRegion = SharedRegion.create('./shared', 65536);

  /** Puts back what calls have used up. */
  refresh(): void {
    this.plain.refresh();
    this.mending.refresh();
    if (!existsSync('ring.ring')) createRing('ring', { capacityBytes: CAPACITY }).close();
    if (!existsSync('region')) {
      writeFileSync('region', '', { mode: 0o600 });
      truncateSync('region', 65536);
      SharedRegion.open('./region').close();
    }
  }

  [Symbol.dispose](): void {
    this.ring.close();
    this.plain[Symbol.dispose]();
    this.mending[Symbol.dispose]();
    this.region.close();
    this.shared.close();
  }
}

const CREATE = { capacityBytes: CAPACITY, startPosition: 8, checksums: false };
const OPEN = { access: 'readwrite', trustOwner: 1, allowWorldWritable: false };
const RANGE = { offset: 4096, length: 4096 };
const signal = (): AbortSignal => new AbortController().signal;

/** A descriptor of that object, with the fields that were given. */
function described(of: { descriptor(): object }, given: Any): Any {
  return typeof given === 'object' && given !== null && 'type' in given ? { ...of.descriptor(), ...given } : given;
}

/** Every public function, and the methods of what they make. */
export const calls: readonly Call[] = [
  {
    name: 'createRing',
    right: ['new', { ...CREATE, mode: 0o600 }],
    call: (_bed, ...given: [Any]) => createRing(...given),
  },
  { name: 'createAnonymousRing', right: [CREATE], call: (_bed, ...given) => createAnonymousRing(...given) },
  { name: 'openRing', right: ['ring', OPEN], call: (_bed, ...given: [Any]) => openRing(...given) },
  {
    name: 'openOrCreateRing',
    right: ['ring', { ...OPEN, ...CREATE, mode: 0o600 }],
    call: (_bed, ...given: [Any]) => openOrCreateRing(...given),
  },
  { name: 'removeRing', right: ['ring'], call: (_bed, ...given: [Any]) => removeRing(...given) },
  {
    name: 'attachRing',
    right: [{ type: 'memlane.ring' }],
    call: ({ ring }, given) => attachRing(described(ring, given)),
  },
  {
    name: 'attachRing (each field)',
    right: [
      { type: 'memlane.ring', path: './ring.ring', anonymous: false, identity: { dev: 1, ino: 1 }, access: 'read' },
    ],
    call: (_bed, given) => attachRing(given),
  },
  {
    name: 'producer',
    right: [{ wait: 'spin', recover: false }],
    call: ({ ring }, ...given) => another(ring, 'producer', given),
  },
  {
    name: 'consumer',
    right: [{ wait: 'spin', recover: false }],
    call: ({ ring }, ...given) => another(ring, 'consumer', given),
  },
  ...endCalls('', ({ plain }) => plain),
  ...endCalls(' (recovering)', ({ mending }) => mending),
  {
    name: 'Region.create',
    right: ['./new', 4096, { maxLength: 8192, mode: 0o600 }],
    call: (_bed, ...given: [Any, Any]) => Region.create(...given),
  },
  {
    name: 'Region.open',
    right: ['./region', { ...OPEN, offset: 4096, length: 8192, maxLength: 16384 }],
    call: (_bed, ...given: [Any]) => Region.open(...given),
  },
  {
    name: 'Region.open (mirrored)',
    right: ['./region', { ...OPEN, offset: 0, length: 8192, mirror: 4096 }],
    call: (_bed, ...given: [Any]) => Region.open(...given),
  },
  {
    name: 'Region.createAnonymous',
    right: [4096, 'fuzz'],
    call: (_bed, ...given: [Any]) => Region.createAnonymous(...given),
  },
  {
    name: 'Region.attach',
    right: [{ type: 'memlane.region', offset: 0, length: 4096, maxLength: 8192, mirror: 0 }],
    call: ({ region }, given) => Region.attach(described(region, given)),
  },
  {
    name: 'Region.attach (each field)',
    right: [
      { type: 'memlane.region', path: './region', anonymous: true, identity: { dev: 1, ino: 1 }, access: 'read' },
    ],
    call: ({ region }, given) => Region.attach(described(region, given)),
  },
  { name: 'sync', right: [RANGE], call: ({ region }, ...given) => region.sync(...given) },
  { name: 'syncOffThread', right: [RANGE], call: ({ region }, ...given) => region.syncOffThread(...given) },
  { name: 'advise', right: ['random', RANGE], call: ({ region }, ...given: [Any]) => region.advise(...given) },
  { name: 'residency', right: [RANGE], call: ({ region }, ...given) => region.residency(...given) },
  { name: 'prefault', right: [RANGE], call: ({ region }, ...given) => region.prefault(...given) },
  { name: 'lock', right: [RANGE], call: ({ region }, ...given) => region.lock(...given) },
  { name: 'unlock', right: [RANGE], call: ({ region }, ...given) => region.unlock(...given) },
  { name: 'grow', right: [65536], call: ({ region }, ...given: [Any]) => region.grow(...given) },
  { name: 'shrink', right: [65536], call: ({ region }, ...given: [Any]) => shrunk(region, ...given) },
  {
    name: 'SharedRegion.create',
    right: ['./new', 4096, { trustOwner: 1, allowWorldWritable: false, maxLength: 8192, mode: 0o600 }],
    call: (_bed, ...given: [Any, Any]) => SharedRegion.create(...given),
  },
  {
    name: 'SharedRegion.open',
    right: ['./region', { trustOwner: 1, allowWorldWritable: false, maxLength: 131_072 }],
    call: (_bed, ...given: [Any]) => SharedRegion.open(...given),
  },
  {
    name: 'resize',
    right: [8192, { timeoutMs: 1000 }],
    call: ({ shared }, ...given: [Any]) => shared.resize(...given),
  },
  {
    name: 'SharedRegion.on',
    right: [() => {}],
    call: ({ shared }, listener) => void shared.on('resize', listener).off('resize', listener),
    byNode: true,
  },
  {
    name: 'guard.on',
    right: [() => {}],
    call: (_bed, listener) => void guard.on('fault', listener).off('fault', listener),
    byNode: true,
  },
];

/** The methods of both ends. */
function endCalls(kind: string, of: (bed: ArgumentsBed) => Ends): Call[] {
  const ends: readonly (Omit<Call, 'call'> & { call: (ends: Ends, ...given: Any[]) => unknown })[] = [
    { name: 'tryClaim', right: [8, 1], call: ({ producer }, ...given: [Any]) => producer.tryClaim(...given) },
    { name: 'tryWrite', right: ['text', 1], call: ({ producer }, ...given: [Any]) => producer.tryWrite(...given) },
    {
      name: 'write',
      right: [new Uint8Array(8), { type: 1, signal: signal() }],
      call: ({ producer }, ...given: [Any]) => producer.write(...given),
    },
    { name: 'Producer.waitSync', right: [1, 8], call: ({ producer }, ...given) => producer.waitSync(...given) },
    {
      name: 'Producer.wait',
      right: [{ signal: signal(), length: 8 }],
      call: ({ producer }, ...given) => producer.wait(...given),
    },
    { name: 'flush', right: [{ signal: signal() }], call: ({ producer }, ...given) => producer.flush(...given) },
    { name: 'flushSync', right: [1], call: ({ producer }, ...given) => producer.flushSync(...given) },
    { name: 'poll', right: [() => {}, 5], call: ({ reader }, ...given: [Any]) => reader.poll(...given) },
    { name: 'poll (result)', right: [0], call: ({ reader }, given) => reader.poll(() => given, 5), lenient: true },
    { name: 'Consumer.waitSync', right: [1], call: ({ reader }, ...given) => reader.waitSync(...given) },
    { name: 'Consumer.wait', right: [{ signal: signal() }], call: ({ reader }, ...given) => reader.wait(...given) },
    {
      name: 'messages',
      right: [{ signal: signal() }],
      call: ({ reader }, ...given) => reader.messages(...given).next(),
    },
  ];
  return ends.map(({ name, call, ...rest }) => ({
    ...rest,
    name: name + kind,
    call: (bed, ...given) => call(of(bed), ...given),
  }));
}

/** Shrinks another region of the same memory. */
function shrunk(region: Region, ...given: [Any]): void {
  using other = Region.attach(region.descriptor());
  other.shrink(...given);
}

/** An endpoint of a ring of its own. */
function another(_of: Ring, role: 'producer' | 'consumer', given: Any[]): void {
  using ring = createAnonymousRing({ capacityBytes: CAPACITY });
  ring[role](...given);
}
