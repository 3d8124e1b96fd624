import { checkOneOf, checkOptions, MemlaneError, throwArgument } from '@memlane/linux';
import type { LatestValue } from '@memlane/ring';
import { type Codec, type CodecChoice, jsonCodec, rawCodec } from './codec.ts';
import { createMsgpackCodec } from './msgpack-codec.ts';
import type { Pattern, QueueDescription } from './queue-store.ts';
import { type Schema, type Validator, validatorOf } from './schema.ts';

/** What is done with a message for which there is no room. */
export type WhenFull = 'wait' | 'fail' | 'drop-newest' | 'overwrite-oldest';

const WHEN_FULL: readonly WhenFull[] = ['wait', 'fail', 'drop-newest', 'overwrite-oldest'];

/** What the messages of a queue are. The same on both sides. */
export interface MessageOptions<Value> {
  /** How values become bytes. Default `msgpack`. */
  readonly codec?: CodecChoice<Value>;
  /** What you call the type of the messages, `order@3` for example: who opens the queue by another name is refused. Default: none. */
  readonly type?: string;
  /** A schema of zod, valibot, arktype or any other library of Standard Schema. Its type is that of the messages. */
  readonly schema?: Schema<unknown, Value>;
  /** When the schema is asked. Default `both`. */
  readonly validate?: 'send' | 'receive' | 'both';
  /** What `send` does while there is no room. Default `wait`. */
  readonly whenFull?: WhenFull;
}

/** What comes of them. */
export interface Messages<Value> {
  readonly codec: Codec<Value>;
  readonly validateSent: Validator<Value> | undefined;
  readonly validateReceived: Validator<Value> | undefined;
  readonly whenFull: WhenFull;
}

/** @throws ERR_MEMLANE_ARGUMENT unless the options make sense. */
export function checkMessageOptions<Value>(options: MessageOptions<Value>): void {
  const {
    codec = 'msgpack',
    type = '',
    schema,
    validate = 'both',
    whenFull = 'wait',
  } = checkOptions('options', options);
  if (typeof codec === 'string') checkOneOf('codec', codec, ['msgpack', 'json', 'raw']);
  else if (typeof codec?.encode !== 'function' || typeof codec.decode !== 'function' || typeof codec.name !== 'string')
    throwArgument('codec', codec, "'msgpack', 'json', 'raw', or an object with name, encode and decode");
  if (typeof type !== 'string') throwArgument('type', type, 'a string');
  if (schema !== undefined && typeof schema['~standard']?.validate !== 'function')
    throwArgument('schema', schema, 'one of a library that implements Standard Schema');
  checkOneOf('validate', validate, ['send', 'receive', 'both']);
  checkOneOf('whenFull', whenFull, WHEN_FULL);
}

export function codecNameOf<Value>({ codec = 'msgpack' }: MessageOptions<Value>): string {
  return typeof codec === 'string' ? codec : codec.name;
}

/** @throws ERR_MEMLANE_TYPE unless a queue is what it is opened as. */
export function expectType<Value>(
  found: QueueDescription,
  pattern: Pattern,
  options: MessageOptions<Value>,
  path: string | undefined,
): void {
  const wanted = { pattern, codec: codecNameOf(options), type: options.type ?? '' };
  for (const field of ['pattern', 'codec', 'type'] as const)
    if (found[field] !== wanted[field])
      throw new MemlaneError('ERR_MEMLANE_TYPE', `The queue has ${field} '${found[field]}', not '${wanted[field]}'`, {
        path,
      });
}

/** Makes what one thread needs to read and write messages. @param structures of the codec msgpack. */
export function messagesOf<Value>(
  options: MessageOptions<Value>,
  structures: LatestValue | undefined,
): Messages<Value> {
  const { codec = 'msgpack', schema, validate = 'both', whenFull = 'wait' } = options;
  const validator = validatorOf(schema);
  return {
    codec: codecOf(codec, structures),
    validateSent: validate === 'receive' ? undefined : validator,
    validateReceived: validate === 'send' ? undefined : validator,
    whenFull,
  };
}

function codecOf<Value>(choice: CodecChoice<Value>, structures: LatestValue | undefined): Codec<Value> {
  if (typeof choice !== 'string') return choice;
  // The user says what the values are; these take and give whatever they can express.
  if (choice === 'json') return jsonCodec as Codec<Value>;
  if (choice === 'raw') return rawCodec as unknown as Codec<Value>;
  return createMsgpackCodec(structures as LatestValue) as Codec<Value>;
}
