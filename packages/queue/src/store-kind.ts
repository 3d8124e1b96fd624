import { checkOptions, type LinuxError, type MemlaneError, throwArgument } from '@memlane/linux';
import { checkMessageOptions, codecNameOf, expectType, type MessageOptions } from './queue-options.ts';
import type { Parts, PartsDescriptor, PartsFactory, PartsShape } from './queue-parts.ts';
import { createStore, type Pattern, pathOf, type QueueDescription, readStore, removeStore } from './queue-store.ts';

/*
 * How queues come into being, are opened, handed on and removed: the same for all patterns.
 */

/** What another thread or process needs to open a queue. Plain data: survives postMessage, JSON and fork. */
export interface StoreDescriptor<Descriptor> extends PartsDescriptor<Descriptor> {
  readonly type: 'memlane.queue';
  readonly description: Pick<QueueDescription, 'pattern' | 'codec' | 'type'>;
}

/** What differs. */
export interface StoreKind<Shape, Messages extends Disposable, Descriptor> {
  readonly pattern: Pattern;
  readonly parts: PartsFactory<Shape, Messages, Descriptor>;
}

/** What a creator says of a queue: its shape, and what its messages are. */
export interface StorePlan<Shape> {
  readonly shape: Omit<PartsShape<Shape>, 'hasStructures'>;
  readonly mode: number | undefined;
}

const TYPE = 'memlane.queue';

/** Creates the folder of a queue. */
export function createOf<Shape, Messages extends Disposable, Descriptor, Value>(
  { pattern, parts }: StoreKind<Shape, Messages, Descriptor>,
  name: string,
  options: MessageOptions<Value>,
  { shape, mode }: StorePlan<Shape>,
): void {
  checkMessageOptions(options);
  const codec = codecNameOf(options);
  const whole = { ...shape, hasStructures: codec === 'msgpack' };
  createStore(
    pathOf(name),
    { pattern, codec, type: options.type ?? '' },
    (folder) => parts.create(folder, whole, mode),
    mode,
  );
}

/** Opens a queue that is there. @throws as openQueue */
export function openOf<Shape, Messages extends Disposable, Descriptor, Value>(
  { pattern, parts }: StoreKind<Shape, Messages, Descriptor>,
  name: string,
  options: MessageOptions<Value>,
): { readonly parts: Parts<Messages>; readonly path: string } {
  checkMessageOptions(options);
  const path = pathOf(name);
  const description = readStore(path);
  expectType(description, pattern, options, path);
  return { parts: parts.open(path, description.codec === 'msgpack'), path };
}

/** Opens it, or creates it where there is none; of two that do this at once, one creates. */
export function openOrCreate<Opened>(open: () => Opened, create: () => void): Opened {
  for (;;) {
    try {
      return open();
    } catch (error) {
      if ((error as LinuxError).code !== 'ENOENT') throw error;
    }
    try {
      create();
    } catch (error) {
      if ((error as MemlaneError).code !== 'ERR_MEMLANE_EXISTS') throw error;
    }
  }
}

/** Creates one without a name. */
export function createAnonymousOf<Shape, Messages extends Disposable, Descriptor, Value>(
  { parts }: StoreKind<Shape, Messages, Descriptor>,
  options: MessageOptions<Value>,
  { shape }: StorePlan<Shape>,
): Parts<Messages> {
  checkMessageOptions(options);
  return parts.createAnonymous({ ...shape, hasStructures: codecNameOf(options) === 'msgpack' });
}

/** Opens the one that a descriptor names. */
export function attachOf<Shape, Messages extends Disposable, Descriptor, Value>(
  { pattern, parts }: StoreKind<Shape, Messages, Descriptor>,
  descriptor: StoreDescriptor<Descriptor>,
  options: MessageOptions<Value>,
): Parts<Messages> {
  checkMessageOptions(options);
  const { type, description } = checkOptions('descriptor', descriptor);
  if (type !== TYPE) throwArgument('descriptor.type', type, `'${TYPE}'`);
  expectType(checkOptions('descriptor.description', description) as QueueDescription, pattern, options, undefined);
  return parts.attach(descriptor);
}

export function removeOf<Shape, Messages extends Disposable, Descriptor>(
  { parts }: StoreKind<Shape, Messages, Descriptor>,
  name: string,
): void {
  removeStore(pathOf(name), parts.remove);
}

/** What names a queue to another thread or process. */
export function describe<Descriptor, Value>(
  pattern: Pattern,
  options: MessageOptions<Value>,
  parts: PartsDescriptor<Descriptor>,
): StoreDescriptor<Descriptor> {
  return { type: TYPE, description: { pattern, codec: codecNameOf(options), type: options.type ?? '' }, ...parts };
}

/** The options without those that concern the messages: the shape of the files. */
export function shapeOnly<Value, Options extends MessageOptions<Value> & { mode?: number }>(
  options: Options,
): Omit<Options, keyof MessageOptions<Value> | 'mode'> {
  const { codec: _, type: __, schema: ___, validate: ____, whenFull: _____, mode: ______, ...shape } = options;
  return shape;
}
