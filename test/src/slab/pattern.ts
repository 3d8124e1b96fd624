/** Fills a buffer so that one that is torn, stale or another's cannot look right. */
export function writePattern(data: Buffer, seed: number): void {
  for (let at = 0; at < data.length; at++) data[at] = (seed + at * 7) & 0xff;
}

/** Whether it is that one, whole. */
export function checkPattern(data: Buffer, seed: number): boolean {
  for (let at = 0; at < data.length; at++) if (data[at] !== ((seed + at * 7) & 0xff)) return false;
  return true;
}
