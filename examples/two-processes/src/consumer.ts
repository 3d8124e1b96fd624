import { openOrCreateRing } from 'memlane';

const ring = openOrCreateRing('greetings');
for await (const { data } of ring.consumer()) {
  console.log(data.toString());
}
