import { type Case, type Kind, nodeProgram, type Program } from './case.ts';
import type { NativeName, NativePrograms } from './native-build.ts';

const kib = 1 << 10;
const mib = 1 << 20;
export const allSizes: readonly number[] = [8, 64, kib, 64 * kib, mib];
const roundTripSize = 64;

interface Entry {
  readonly name: string;
  readonly variant: string;
  readonly program: Program | undefined;
  readonly sizes?: readonly number[];
}

export interface Catalog {
  readonly cases: readonly Case[];
  /** A line for each case that this machine cannot run, and why. */
  readonly leftOut: readonly string[];
}

/** Every case that can run here. Names are what reports, aims and `--only` call them by. */
export async function loadCatalog(native: NativePrograms): Promise<Catalog> {
  const leftOut = [...native.missing];
  const zeromq = await isInstalled('zeromq');
  if (!zeromq) leftOut.push('zeromq is left out: the package is not installed');
  const nativeProgram = (name: NativeName): Program | undefined => {
    const path = native.paths[name];
    return path === undefined ? undefined : { command: [path], start: 'pair' };
  };
  const ring = nodeProgram('ring-throughput');
  const ringTrip = nodeProgram('ring-round-trip');
  const spsc = nativeProgram('spsc');
  const forked = nodeProgram('child-process', 'single');
  const threads = nodeProgram('message-channel', 'single');
  const socket = nodeProgram('socket');
  const queue = zeromq ? nodeProgram('zeromq') : undefined;

  const throughput: Entry[] = [
    { name: 'memlane each', variant: 'each', program: ring },
    { name: 'memlane batch', variant: 'batch', program: ring },
    { name: 'memlane claim', variant: 'claim', program: ring },
    { name: 'memlane claim, equal depth', variant: 'claim-deep', program: ring, sizes: [64, mib] },
    { name: 'memlane write', variant: 'write', program: ring },
    { name: 'memlane each, sealed', variant: 'each-sealed', program: ring, sizes: [64] },
    { name: 'memlane batch, sealed', variant: 'batch-sealed', program: ring, sizes: [64] },
    { name: 'C ring each', variant: 'each', program: spsc },
    { name: 'C ring batch', variant: 'batch', program: spsc },
    { name: 'C ring claim', variant: 'claim', program: spsc },
    { name: 'ck_ring', variant: 'each', program: nativeProgram('ck') },
    { name: 'boost spsc_queue', variant: 'each', program: nativeProgram('boost') },
    { name: 'socket packed', variant: 'packed', program: nodeProgram('socket-packed') },
    { name: 'socket each', variant: 'each', program: socket },
    { name: 'zeromq', variant: 'each', program: queue },
    { name: 'MessageChannel', variant: 'each', program: threads },
    { name: 'child_process json', variant: 'json', program: forked },
    { name: 'child_process advanced', variant: 'advanced', program: forked },
  ];
  const roundTrips: Entry[] = [
    { name: 'memlane spin', variant: 'spin', program: ringTrip },
    { name: 'memlane park', variant: 'park', program: ringTrip },
    { name: 'memlane event', variant: 'event', program: ringTrip },
    { name: 'C ring spin', variant: 'spin', program: spsc },
    { name: 'C ring park', variant: 'park', program: spsc },
    { name: 'socket', variant: 'round-trip', program: socket },
    { name: 'zeromq', variant: 'round-trip', program: queue },
    { name: 'MessageChannel', variant: 'round-trip', program: threads },
    { name: 'child_process json', variant: 'round-trip-json', program: forked },
    { name: 'child_process advanced', variant: 'round-trip-advanced', program: forked },
  ];
  const cases = [
    ...throughput.flatMap((entry) => expand('throughput', entry, entry.sizes ?? allSizes)),
    ...roundTrips.flatMap((entry) => expand('roundTrip', entry, [roundTripSize])),
  ];
  return { cases, leftOut };
}

function expand(kind: Kind, { name, variant, program }: Entry, sizes: readonly number[]): Case[] {
  return program ? sizes.map((sizeBytes) => ({ kind, name, variant, program, sizeBytes })) : [];
}

export async function isInstalled(name: string): Promise<boolean> {
  try {
    await import(name);
    return true;
  } catch {
    return false;
  }
}
