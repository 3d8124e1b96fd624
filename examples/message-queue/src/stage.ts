// One of the four processes: node stage.js shop|pricing|packing|dispatch LEDGER COUNT
import { appendFileSync, readFileSync } from 'node:fs';
import { type Order, openOrders } from './orders.ts';

const [stage, ledger, count] = process.argv.slice(2) as [string, string, string];

const stages: Record<string, () => Promise<void>> = {
  /** Takes orders. How far it has come is in its own ledger, so that a successor goes on there. */
  async shop() {
    const placed = openOrders('placed');
    const taken = `${ledger}.taken`;
    for (let id = numbersIn(taken).length; id < Number(count); id++) {
      await placed.send({ id, items: [{ name: 'tea', cents: 450, count: 1 + (id % 3) }] });
      appendFileSync(taken, `${id}\n`); // dies before: the order is placed twice, which dispatch notices
    }
  },

  async pricing() {
    const priced = openOrders('priced');
    await openOrders('placed').process(async (order) => {
      const totalCents = order.items.reduce((sum, { cents, count }) => sum + cents * count, 0);
      await priced.send({ ...order, totalCents });
    });
  },

  async packing() {
    const packed = openOrders('packed');
    await openOrders('priced').process(async (order) => {
      await packed.send({ ...order, parcels: Math.ceil(order.items.length / 4) });
    });
  },

  /** Sends parcels off, each order once, whatever comes twice. */
  async dispatch() {
    const sent = new Set(numbersIn(ledger));
    await openOrders('packed').process((order: Order) => {
      if (sent.has(order.id)) return;
      appendFileSync(ledger, `${order.id}\n`); // one write: it is in the ledger, or it is not
      sent.add(order.id);
    });
  },
};

await stages[stage]?.();
process.exit();

function numbersIn(path: string): number[] {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(0, -1).map(Number);
  } catch {
    return [];
  }
}
