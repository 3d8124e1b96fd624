// Receives over the channel from the ipc-sender that forked it.
import { numberOf } from '../../message.ts';
import { Arrivals } from '../arrivals.ts';
import { parseHeat } from '../heat-arguments.ts';

const arrivals = new Arrivals(parseHeat().warmupMs);

process.on('message', (message: number[]) => {
  arrivals.check(numberOf(message, 0));
  arrivals.clock();
});
process.on('disconnect', () => arrivals.end());
process.send?.('ready');
