/** A typed message of ten fields, the work of the suite `messages`. */
export interface Order {
  readonly id: number;
  readonly customer: string;
  readonly product: string;
  readonly quantity: number;
  readonly price: number;
  readonly currency: string;
  readonly paid: boolean;
  readonly placedAt: number;
  readonly note: string | null;
  readonly tags: readonly string[];
}

/** What an order is called in reports: about its length as JSON. */
export const ORDER_BYTES = 192;

const PRODUCTS = ['green tea', 'black tea', 'coffee', 'cocoa'] as const;
const PLACED_AT = 1_700_000_000_000;

export function orderOf(sequence: number): Order {
  return {
    id: sequence,
    customer: 'customer-4711',
    product: PRODUCTS[sequence & 3],
    quantity: (sequence & 15) + 1,
    price: 4.25 + (sequence & 7),
    currency: 'EUR',
    paid: (sequence & 1) === 0,
    placedAt: PLACED_AT + sequence,
    note: null,
    tags: ['express', 'gift'],
  };
}

/** Whether it is the order of that number, by one field of each kind. */
export function isOrder(order: Order, sequence: number): boolean {
  return (
    order.id === sequence &&
    order.product === PRODUCTS[sequence & 3] &&
    order.price === 4.25 + (sequence & 7) &&
    order.paid === ((sequence & 1) === 0) &&
    order.placedAt === PLACED_AT + sequence &&
    order.tags.length === 2
  );
}
