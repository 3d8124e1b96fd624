import { expect, test } from '@jest/globals';
import { scratchFolder } from '../support/scratch.ts';
import { Example, PATIENCE_MS } from './example.ts';

test(
  'messages reach the consumer, whoever comes first',
  async () => {
    using directory = scratchFolder();
    const produce = async (): Promise<number> => {
      using producer = new Example('two-processes/dist/producer', [], directory.path);
      const { code, stderr } = await producer.outcome;
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      return producer.pid;
    };
    const hello = (pid: number): string[] =>
      ['Ada', 'Grace', 'Barbara'].map((name) => `Hello ${name}, this is process ${pid}`);

    const before = await produce();
    using consumer = new Example('two-processes/dist/consumer', [], directory.path);
    await consumer.prints(`Hello Barbara, this is process ${before}`);
    const after = await produce();
    await consumer.prints(`Hello Barbara, this is process ${after}`);
    consumer.kill('SIGINT');
    const { stdout, stderr } = await consumer.outcome;
    expect(stderr).toBe('');
    expect(stdout.trimEnd().split('\n')).toEqual([...hello(before), ...hello(after)]);
  },
  PATIENCE_MS,
);
