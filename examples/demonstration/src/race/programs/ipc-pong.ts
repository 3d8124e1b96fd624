// Answers each message of the ipc-ping that forked it, with the same number.
import { fill, numberOf } from '../../message.ts';

const answer: number[] = [];

process.on('message', (message: number[]) => {
  fill(answer, 0, numberOf(message, 0));
  process.send?.(answer);
});
process.send?.('ready');
