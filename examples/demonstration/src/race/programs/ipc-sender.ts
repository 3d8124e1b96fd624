// Starts its receiver, and sends over the channel that child_process gives to parent and child.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { fill } from '../../message.ts';
import { report } from '../../role.ts';
import { parseHeat } from '../heat-arguments.ts';

/** The channel tells when a message is out; asking at each one would only slow it down. */
const BATCH = 64;

const { warmupMs, measureMs } = parseHeat();
const program = fileURLToPath(new URL('./ipc-receiver.js', import.meta.url));
// The default serialization, JSON: for eight small numbers it is twice as fast as structured cloning ('advanced').
const receiver = fork(program, process.argv.slice(2));
await once(receiver, 'message');

const message: number[] = [];
let number = 0;

function send(onSent?: (error: Error | null) => void): void {
  fill(message, 0, number++);
  receiver.send(message, onSent);
}

const endAt = performance.now() + warmupMs + measureMs;
while (performance.now() < endAt) {
  for (let count = 1; count < BATCH; count++) send();
  await new Promise<void>((resolve, reject) => send((error) => (error ? reject(error) : resolve())));
}
receiver.disconnect();
await once(receiver, 'exit');
report({ result: { sent: number } });
