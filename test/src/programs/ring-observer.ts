// Opens and reads a ring over and over while others use it: { path, times }. Says 'ended' with what it saw.
import { openRing } from 'memlane';
import { parameters, say } from '../support/speech.ts';

const { path, times } = parameters<{ path: string; times: number }>();
let least = Number.POSITIVE_INFINITY;
let most = Number.NEGATIVE_INFINITY;
let messages = 0;
for (let time = 0; time < times; time++) {
  using ring = openRing(path, { access: 'read' });
  for (let look = 0; look < 20; look++) {
    const {
      backlogBytes,
      consumers: [consumer],
    } = ring.statistics();
    least = Math.min(least, backlogBytes);
    most = Math.max(most, backlogBytes);
    messages = consumer.messages;
  }
}
say('ended', { least, most, messages });
