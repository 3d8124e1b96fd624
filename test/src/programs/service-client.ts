// Sends requests and does not read the replies: { path, requests: values }. Says 'sent', and waits.
import { openService } from 'memlane';
import { Commands, parameters, pause, say } from '../support/speech.ts';

const { path, requests } = parameters<{ path: string; requests: readonly unknown[] }>();
const commands = new Commands();
const service = openService<unknown, unknown>(path);
for (const value of requests)
  service.request(value).then(
    (reply) => say('reply', reply),
    () => {},
  );
await pause(1);
say('sent');
await commands.next();
