import { openOrCreateQueue, type Queue, removeQueue } from 'memlane';

/** An order, as far as it has come. */
export interface Order {
  readonly id: number;
  readonly items: readonly { readonly name: string; readonly cents: number; readonly count: number }[];
  readonly totalCents?: number;
  readonly parcels?: number;
}

/** The queues between the stages, in the order in which an order goes through them. */
export const QUEUES = ['placed', 'priced', 'packed'] as const;
export type QueueName = (typeof QUEUES)[number];

/** Opens one of the queues, whoever comes first. */
export function openOrders(name: QueueName): Queue<Order> {
  return openOrCreateQueue<Order>(`example-${name}`, { type: 'order@1', maxDeliveries: 100 });
}

export function removeOrders(name: QueueName): void {
  removeQueue(`example-${name}`);
}
