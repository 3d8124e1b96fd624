import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** One line of /proc/PID/smaps and what stands below it. */
export interface Mapping {
  readonly start: number;
  readonly end: number;
  readonly permissions: string;
  readonly fileOffset: number;
  readonly inode: number;
  readonly path: string;
  /** Sizes in KiB: Rss, Shared_Dirty, Locked and so on. */
  readonly kib: Record<string, number>;
  /** The kernel's two-letter flags: 'sq' sequential, 'rr' random, 'lo' locked and so on. */
  flags: string[];
}

/** Every mapping of a process. */
export function mappings(pid: number | 'self' = 'self'): Mapping[] {
  const found: Mapping[] = [];
  for (const line of readFileSync(`/proc/${pid}/smaps`, 'utf8').split('\n')) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) (\S+) ([0-9a-f]+) \S+ (\d+) *(.*)$/.exec(line);
    if (head !== null) {
      const [, start = '', end = '', permissions = '', fileOffset = '', inode, path = ''] = head;
      found.push({
        start: Number.parseInt(start, 16),
        end: Number.parseInt(end, 16),
        permissions,
        fileOffset: Number.parseInt(fileOffset, 16),
        inode: Number(inode),
        path,
        kib: {},
        flags: [],
      });
      continue;
    }
    const mapping = found.at(-1) as Mapping;
    const size = /^(\w+): +(\d+) kB$/.exec(line);
    if (size !== null) mapping.kib[size[1] as string] = Number(size[2]);
    if (line.startsWith('VmFlags:')) mapping.flags = line.slice('VmFlags:'.length).trim().split(' ');
  }
  return found;
}

/** The mapping that an address lies in. */
export function mappingAt(address: number): Mapping | undefined {
  return mappings().find(({ start, end }) => start <= address && address < end);
}

/** A number of /proc/self/status, in the unit it has there. */
export function statusNumber(field: string): number {
  const found = new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(found?.[1]);
}

/** What each open descriptor of this process is. */
export function openDescriptors(): Map<number, string> {
  const found = new Map<number, string>();
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      found.set(Number(fd), readlinkSync(`/proc/self/fd/${fd}`));
    } catch {
      // The descriptor that read the folder.
    }
  }
  return found;
}

/** Whether exec(2) closes a descriptor. */
export function closesOnExec(fd: number): boolean {
  const flags = /^flags:\s+([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1];
  return (Number.parseInt(flags as string, 8) & 0o2000000) !== 0;
}
