import { expect, test } from '@jest/globals';
import { scratchFolder } from '../support/scratch.ts';
import { Example, PATIENCE_MS } from './example.ts';

test.each([
  { orders: 300, chaos: [] },
  { orders: 1000, chaos: ['chaos'] },
])(
  'each order is sent off once, whoever is killed: %j',
  async ({ orders, chaos }) => {
    using directory = scratchFolder();
    using example = new Example('message-queue/dist/main', [String(orders), ...chaos], directory.path);
    const { code, stdout, stderr } = await example.outcome;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`^${orders} orders sent off, ${orders} different ones, \\d+ processes killed`));
    expect(directory.entries()).toEqual([]);
  },
  PATIENCE_MS,
);
