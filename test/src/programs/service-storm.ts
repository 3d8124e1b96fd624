// One life in a storm over a service: { path }. Waits for a line { role, seed, life, count }, then serves until it is killed, or asks until it
// is, or, with a count, so many times.
import { openService } from 'memlane';
import { type Answer, answer, ask, type Question } from '../queue/service-traffic.ts';
import { Random } from '../support/random.ts';
import { Commands, parameters, say } from '../support/speech.ts';

const { path } = parameters<{ path: string }>();
const commands = new Commands();
say('ready');
const { role, seed, life, count } = JSON.parse(await commands.next());
const random = new Random(seed);
const service = openService<Question, Answer>(path);
if (role === 'server') await service.serve(answer, { concurrency: 4 });
else await Promise.all(Array.from({ length: 4 }, (_, line) => client(line)));
service.close();
say('ended');
process.exit();

async function client(line: number): Promise<void> {
  for (let number = 0; number < (count || Number.POSITIVE_INFINITY); number++)
    await ask(service, random, `${life} ${line} ${number}`);
}
