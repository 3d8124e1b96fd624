import { MemlaneError } from '@memlane/linux';

/** Longest text of each kind that goes with an error. */
const MOST_CHARACTERS = 10_000;

/** What an error is for those on the other side. */
interface ErrorReport {
  readonly name: string;
  readonly message: string;
  readonly code?: string | number;
  readonly stack?: string;
}

/** What a handler has thrown, as bytes. */
export function encodeError(error: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(reportOf(error)));
}

/** The error for who has asked, of what {@link encodeError} has written. */
export function decodeError(bytes: Buffer): MemlaneError {
  let report: Partial<ErrorReport>;
  try {
    report = JSON.parse(bytes.toString());
  } catch (cause) {
    return new MemlaneError('ERR_MEMLANE_CORRUPT', 'The error of a reply is not JSON', { field: 'error', cause });
  }
  const { name = 'Error', message = '', code, stack } = report ?? {};
  const cause = Object.assign(new Error(message), { name }, code === undefined ? {} : { code });
  if (typeof stack === 'string') cause.stack = stack;
  return new MemlaneError('ERR_MEMLANE_REMOTE', `${name}: ${message}`, { cause });
}

function reportOf(error: unknown): ErrorReport {
  if (!(error instanceof Error) && typeof (error as Error | null)?.message !== 'string')
    return { name: 'Error', message: textOf(error) };
  const { name, message, stack, code } = error as Error & { code?: unknown };
  return {
    name: textOf(name),
    message: textOf(message),
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    ...(typeof stack === 'string' ? { stack: textOf(stack) } : {}),
  };
}

function textOf(value: unknown): string {
  try {
    return String(value).slice(0, MOST_CHARACTERS);
  } catch {
    return `of type ${typeof value}`;
  }
}
