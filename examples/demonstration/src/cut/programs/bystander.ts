// Maps the file as a region of memlane and reads it over and over, until that goes wrong. It outlives it.
// bystander FILE
import { setTimeout as delay } from 'node:timers/promises';
import { type Fault, guard, type MemlaneError, Region } from 'memlane';
import { report } from '../../role.ts';
import { PAUSE_MS, readPages } from '../pages.ts';

/** What it heard and caught. */
export interface Testimony {
  readonly fault: Fault;
  readonly code: string;
}

let fault: Fault | undefined;
guard.once('fault', (told) => {
  fault = told;
});

using region = Region.open(process.argv[2], { access: 'read' });
const { bytes } = region;
let code: string | undefined;
readPages(bytes);
report({ ready: true });
while (fault === undefined || code === undefined) {
  readPages(bytes);
  try {
    region.check();
  } catch (error) {
    code = (error as MemlaneError).code;
  }
  await delay(PAUSE_MS);
}
const result: Testimony = { fault, code };
report({ result });
