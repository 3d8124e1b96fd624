// Numbers as people read them.

/** 1234567 as 1 234 567. */
export function grouped(count: number): string {
  return count.toString().replace(/\B(?=(\d{3})+$)/g, ' ');
}

/** Of bytes: 12345678 as 12.3 MB. */
export function size(bytes: number): string {
  if (bytes >= 1e9) return `${digits(bytes / 1e9)} GB`;
  if (bytes >= 1e6) return `${digits(bytes / 1e6)} MB`;
  return bytes >= 1e3 ? `${digits(bytes / 1e3)} kB` : `${bytes.toFixed(0)} bytes`;
}

export function throughput(bytes: number, seconds: number): string {
  const perSecond = bytes / seconds;
  return perSecond < 1e7 ? `${size(perSecond)}/s` : `${(perSecond / 1e9).toFixed(2)} GB/s`;
}

/** 1234567 as 1.23 M. */
export function magnitude(count: number): string {
  if (count >= 1e6) return `${digits(count / 1e6)} M`;
  if (count >= 1e3) return `${digits(count / 1e3)} k`;
  return count.toFixed(0);
}

export function microseconds(us: number): string {
  return us < 10_000 ? `${digits(us)} µs` : `${digits(us / 1000)} ms`;
}

/** With three digits, but never fewer than there are before the point. */
function digits(value: number): string {
  return value.toFixed(Math.max(0, 2 - Math.floor(Math.log10(Math.max(value, 1)))));
}
