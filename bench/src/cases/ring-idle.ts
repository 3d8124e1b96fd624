// A consumer that waits for a message which never comes. Variants: the ways to wait.
import { createRing, type EndpointOptions } from '@memlane/ring';
import { parseRole } from '../role.ts';

const { path, variant } = parseRole();
const wait = variant as EndpointOptions['wait'];
const ring = createRing(path);
const consumer = ring.consumer({ wait });
if (wait === 'park') consumer.waitSync();
else await consumer.wait();
