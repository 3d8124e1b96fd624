import { type Case, nodeProgram, type Program, type Shape, type Topology } from './case.ts';
import { type Catalog, isInstalled } from './catalog.ts';
import type { NativeName, NativePrograms } from './native-build.ts';

export const topologySizes: readonly number[] = [64, 1024];

export const shapes: Readonly<Record<Topology, readonly Shape[]>> = {
  mpsc: [1, 2, 4, 8].map((producers) => ({ producers, consumers: 1 })),
  broadcast: [1, 2, 4].map((consumers) => ({ producers: 1, consumers })),
  workQueue: [1, 2, 4].map((count) => ({ producers: count, consumers: count })),
};

/**
 * What keeps a producer busy for many slices of the processor: one that is through within its first never meets the others,
 * and a queue that stalls would look fast once it is given as few messages as it gets through.
 */
const manySlices = 250_000;
/** For what hands each message to the kernel or to an event loop, which lets others run all the time. */
const few = 2_000;

interface Entry {
  readonly name: string;
  readonly program: Program | undefined;
  readonly variant?: string;
  readonly fewestEach?: number;
}

/** Every case of several producers and consumers that can run here. Names are what reports, aims and `--only` call them by. */
export async function loadTopologyCatalog(native: NativePrograms): Promise<Catalog> {
  const leftOut = [...native.missing];
  const nativeProgram = (name: NativeName): Program | undefined => {
    const path = native.paths[name];
    return path === undefined ? undefined : { command: [path], start: 'group' };
  };
  const optional = async (name: string, module: string, start: Program['start']): Promise<Program | undefined> => {
    if (await isInstalled(name)) return nodeProgram(module, start);
    leftOut.push(`${name} is left out: the package is not installed`);
    return undefined;
  };
  const ring = nodeProgram('group-ring', 'group');
  const workQueue = nodeProgram('group-work-queue', 'group');
  const zeromq: Entry = { name: 'zeromq', program: await optional('zeromq', 'group-zeromq', 'group') };
  const piscina: Entry = { name: 'piscina', program: await optional('piscina', 'group-piscina', 'single') };
  const ours = (program: Program, topology: Topology): Entry[] =>
    ['each', 'each, adaptive', 'batch', 'batch, adaptive'].map((way) => ({
      name: `memlane ${way}`,
      program,
      variant: `${topology}-${way.replace(', ', '-')}`,
      fewestEach: manySlices,
    }));
  const nativeQueues: Entry[] = [
    { name: 'ck_ring', program: nativeProgram('ckGroup'), fewestEach: manySlices },
    { name: 'boost queue', program: nativeProgram('boostGroup'), fewestEach: manySlices },
    { name: 'boost message_queue', program: nativeProgram('boostIpcGroup') },
    { name: 'POSIX mq', program: nativeProgram('posixGroup') },
  ];
  const nodeChannels: Entry[] = [
    { name: 'MessageChannel', program: nodeProgram('group-message-channel', 'single') },
    { name: 'child_process json', program: nodeProgram('group-child-process', 'single') },
  ];
  const entries: Record<Topology, Entry[]> = {
    mpsc: [...ours(ring, 'mpsc'), ...nativeQueues, zeromq, ...nodeChannels],
    broadcast: [
      ...ours(ring, 'broadcast'),
      { name: 'C zeromq', program: nativeProgram('zeromqGroup') },
      zeromq,
      ...nodeChannels,
    ],
    workQueue: [...ours(workQueue, 'workQueue'), ...nativeQueues, zeromq, ...nodeChannels, piscina],
  };
  const cases = (Object.entries(entries) as [Topology, Entry[]][]).flatMap(([topology, all]) =>
    all.flatMap((entry) => expand(topology, entry)),
  );
  return { cases, leftOut };
}

function expand(kind: Topology, { name, program, variant = kind, fewestEach = few }: Entry): Case[] {
  if (!program) return [];
  return topologySizes.flatMap((sizeBytes) =>
    shapes[kind].map((shape) => ({ kind, name, variant, program, sizeBytes, shape, fewestEach })),
  );
}
