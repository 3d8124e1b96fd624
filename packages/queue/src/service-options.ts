import { MemlaneError } from '@memlane/linux';
import type { Codec, CodecChoice } from './codec.ts';
import type { LargeMessages } from './large-messages.ts';
import { type MessageOptions, messagesOf } from './queue-options.ts';
import type { Parts } from './queue-parts.ts';
import { type Schema, validatorOf } from './schema.ts';
import type { ServiceChannels } from './service-channels.ts';
import { largeOf } from './service-large.ts';

/** What the requests and replies of a service are. The same on both sides. */
export interface ServiceOptions<Request, Reply> {
  /** How values become bytes. Default `msgpack`. */
  readonly codec?: CodecChoice<Request | Reply>;
  /** What you call the type of the messages, `prices@2` for example: who opens the service by another name is refused. Default: none. */
  readonly type?: string;
  /** Schemas of any library of Standard Schema. Their types are those of the messages. */
  readonly requestSchema?: Schema<unknown, Request>;
  readonly replySchema?: Schema<unknown, Reply>;
  /** When the schemas are asked. Default `both`. */
  readonly validate?: 'send' | 'receive' | 'both';
}

/** What client and server of a service have in common, in one thread. */
export interface ServiceContext<Request, Reply> {
  readonly path: string | undefined;
  readonly channels: ServiceChannels;
  readonly large: LargeMessages;
  readonly codec: Codec<Request & Reply>;
  readonly writeRequest: (value: Request) => Request;
  readonly readRequest: (value: Request) => Request;
  readonly writeReply: (value: Reply) => Reply;
  readonly readReply: (value: Reply) => Reply;
  /** @throws ERR_MEMLANE_MESSAGE_TOO_LONG for what no buffer has room for. */
  expectFitting(bytes: Uint8Array): void;
}

/** The options as those of the messages, for what all patterns have in common. */
export function requestOptionsOf<Request, Reply>(options: ServiceOptions<Request, Reply>): MessageOptions<Request> {
  const { codec, type, requestSchema: schema, validate } = options;
  return { codec: codec as CodecChoice<Request> | undefined, type, schema, validate };
}

/** Likewise, with the schema of the replies. */
export function replyOptionsOf<Request, Reply>(options: ServiceOptions<Request, Reply>): MessageOptions<Reply> {
  const { codec, type, replySchema: schema, validate } = options;
  return { codec: codec as CodecChoice<Reply> | undefined, type, schema, validate };
}

/** Makes what one thread needs. */
export function contextOf<Request, Reply>(
  { messages: channels, large: slab, structures }: Parts<ServiceChannels>,
  options: ServiceOptions<Request, Reply>,
  path: string | undefined,
): ServiceContext<Request, Reply> {
  const large = largeOf(slab, channels);
  const { codec, validateSent, validateReceived } = messagesOf(requestOptionsOf(options), structures);
  const validateReply = validatorOf(options.replySchema);
  const { validate = 'both' } = options;
  const same = <Value>(value: Value): Value => value;
  return {
    path,
    channels,
    large,
    codec: codec as Codec<Request & Reply>,
    writeRequest: validateSent ?? same,
    readRequest: validateReceived ?? same,
    writeReply: validate === 'receive' ? same : (validateReply ?? same),
    readReply: validate === 'send' ? same : (validateReply ?? same),
    expectFitting: ({ length }) => {
      if (length <= large.maxLength) return;
      const detail = `The message has ${length} bytes, but the longest that fits is ${large.maxLength}`;
      throw new MemlaneError('ERR_MEMLANE_MESSAGE_TOO_LONG', detail, { path });
    },
  };
}
