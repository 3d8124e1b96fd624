import { checkOneOf, checkOptions, checkType, throwArgument } from '@memlane/linux';
import type { EndpointOptions } from './lane-endpoint.ts';
import type { RingFacts } from './lanes.ts';
import { checkNaming, type Retention } from './retention.ts';
import { isBroadcast } from './ring-descriptor.ts';
import type { Loss } from './standing.ts';

/** How a consumer reads. What goes beyond {@link EndpointOptions} is for topologies in which every consumer reads everything. */
export interface ConsumerOptions extends EndpointOptions {
  /**
   * Where it begins: `now`, at what is written from here on (the default); `oldest`, at the oldest message that is still
   * there. With `overwrite` it goes on likewise when it was overtaken; there the default is `oldest`.
   */
  readonly from?: 'now' | 'oldest';
  /**
   * Name of a cursor that outlives its consumer: the next one of that name goes on where this one was. One at a time. At most
   * 64 bytes. Default: the cursor ends with the consumer.
   */
  readonly name?: string;
  /** What is kept for the name while nobody reads by it. Default `everything`, which stops the producers when the ring is full. */
  readonly retain?: Retention;
  /**
   * Called when messages were lost to this consumer: overwritten before it had read them, or not kept for its name while
   * it was away.
   */
  readonly onLoss?: (loss: Loss) => void;
}

/** @throws ERR_MEMLANE_ARGUMENT unless the options make sense for a ring like that. */
export function checkConsumerOptions({ topology, overwrite }: RingFacts, options: ConsumerOptions): void {
  const { from, name, retain, onLoss } = checkOptions('options', options);
  const { retain: kept = 'everything' } = options;
  if (from !== undefined) checkOneOf('from', from, ['now', 'oldest']);
  if (onLoss !== undefined) checkType('onLoss', onLoss, 'function');
  if (name !== undefined) checkNaming(name, kept);
  if (retain !== undefined && name === undefined) throwArgument('retain', retain, 'left out without a name');
  if (retain !== undefined && overwrite) throwArgument('retain', retain, 'left out for a ring that overwrites');
  if (isBroadcast(topology)) return;
  for (const [option, value] of Object.entries({ from, name, onLoss }))
    if (value !== undefined) throwArgument(option, value, `left out for topology '${topology}'`);
}
