import { type Case, nodeProgram, type Program } from './case.ts';
import { type Catalog, isInstalled } from './catalog.ts';
import { ORDER_BYTES } from './order.ts';

interface Entry {
  readonly name: string;
  readonly variant: string;
  readonly program: Program;
}

/** Every way to send a typed message that can run here. */
export async function loadMessageCatalog(): Promise<Catalog> {
  const leftOut: string[] = [];
  const queue = nodeProgram('typed-queue');
  const ring = nodeProgram('typed-ring');
  const forked = nodeProgram('typed-child-process', 'single');
  const entries: Entry[] = [
    { name: 'memlane queue', variant: 'send', program: queue },
    { name: 'memlane queue, try', variant: 'try', program: queue },
    { name: 'memlane pubsub', variant: 'pubsub', program: queue },
    { name: 'memlane ring, packed in place', variant: 'in-place', program: ring },
    { name: 'memlane ring, packed and copied', variant: 'copied', program: ring },
    { name: 'socket, msgpackr', variant: 'each', program: nodeProgram('typed-socket') },
    { name: 'child_process json', variant: 'json', program: forked },
    { name: 'child_process advanced', variant: 'advanced', program: forked },
  ];
  if (await isInstalled('zeromq'))
    entries.push({ name: 'zeromq, msgpackr', variant: 'each', program: nodeProgram('typed-zeromq') });
  else leftOut.push('zeromq is left out: the package is not installed');
  const cases = entries.map((entry): Case => ({ kind: 'throughput', sizeBytes: ORDER_BYTES, ...entry }));
  return { cases, leftOut };
}
