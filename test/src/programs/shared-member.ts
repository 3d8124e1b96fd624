// A member of a shared region: { path, maxLength, busy, dies }. `busy`: uses all of its memory all the time. `dies`: kills
// itself when it is about to cut the file, or has just cut it. Commands: `resize LENGTH TIMEOUT`, `look`, `block MS [poll]`,
// `leave`. Says 'joined', 'shrink' and 'resize' with the length, 'resized' or 'refused', 'looked' with what it sees.
import { SharedRegion } from '@memlane/core';
import { replaceSystemCall } from '@memlane/linux';
import { guard } from 'memlane';
import { Commands, parameters, rejectionOf, say } from '../support/speech.ts';

interface Parameters {
  readonly path: string;
  readonly maxLength?: number;
  readonly busy?: boolean;
  readonly dies?: 'before the cut' | 'after the cut';
}

const { path, maxLength, busy = false, dies } = parameters<Parameters>();
if (dies !== undefined)
  replaceSystemCall('ftruncate', (original) => (fd, length) => {
    if (dies === 'after the cut') original(fd, length);
    process.kill(process.pid, 'SIGKILL');
    for (;;);
  });

const shared = SharedRegion.open(path, { maxLength });
shared.on('shrink', (length) => say('shrink', length));
shared.on('resize', (length) => say('resize', length));
const commands = new Commands();
let sum = 0;
if (busy) use();
say('joined', shared.length);

for (;;) {
  const [command, ...values] = (await commands.next()).split(' ');
  if (command === 'resize') {
    const [length, timeoutMs] = values.map(Number);
    const error = await rejectionOf(() => shared.resize(length, { timeoutMs }));
    say(error === undefined ? 'resized' : 'refused', error ?? shared.length);
  } else if (command === 'block') {
    const end = performance.now() + Number(values[0]);
    say('blocking');
    while (performance.now() < end) {
      touch();
      if (values[1] === 'poll') shared.poll();
    }
  } else if (command === 'leave') {
    shared.close();
    say('left', guard.status().faults);
    process.exit();
  } else {
    const { length, members, bytes } = shared;
    const { length: fileLength } = shared.region.file;
    say('looked', { length, members, fileLength, last: bytes[length - 1], faults: guard.status().faults, sum });
  }
}

/** Touches every page of the region, as its length is now. */
function touch(): void {
  const { bytes } = shared;
  for (let at = 0; at < bytes.length; at += 4096) {
    sum = (sum + bytes[at]) | 0;
    bytes[at] = 1;
  }
}

function use(): void {
  touch();
  setImmediate(use);
}
