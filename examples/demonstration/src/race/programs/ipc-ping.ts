// Sends a message over the channel to the child it forks and waits for the answer, again and again.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { fill, numberOf } from '../../message.ts';
import { parseHeat } from '../heat-arguments.ts';
import { RoundTrips } from '../round-trips.ts';

const { warmupMs, measureMs } = parseHeat();
const pong = fork(fileURLToPath(new URL('./ipc-pong.js', import.meta.url)));
await once(pong, 'message');

const trips = new RoundTrips(warmupMs, measureMs);
const message: number[] = [];

function send(): void {
  const number = trips.next();
  if (number === undefined) {
    pong.disconnect();
    trips.end();
  } else {
    fill(message, 0, number);
    pong.send(message);
  }
}

pong.on('message', (answer: number[]) => {
  trips.answered(numberOf(answer, 0));
  send();
});
send();
