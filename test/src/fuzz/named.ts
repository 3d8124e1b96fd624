import { constants } from 'node:os';
import { ERROR_CODES, SYSTEM_REMEDIES } from '@memlane/linux';
import type { PlainError } from '../support/speech.ts';

/**
 * Checks that an error is one that users can act on: its code is in the table or an errno's name, and the message says
 * what to do. Returns the code.
 *
 * @throws what it was given, and why that will not do.
 */
export function nameOf(error: unknown, context: unknown = ''): string {
  const { name, code = '', message, remedy } = (error ?? {}) as PlainError;
  const remedies: Readonly<Record<string, string | undefined>> = SYSTEM_REMEDIES;
  const known = code in ERROR_CODES ? ERROR_CODES[code as keyof typeof ERROR_CODES].remedy : remedies[code];
  const named =
    (code in ERROR_CODES && name === 'MemlaneError') ||
    (name === 'LinuxError' && (code in constants.errno || code === 'EOPNOTSUPP'));
  if (named && remedy === known && (known === undefined || message.endsWith(known))) return code;
  throw new Error(`an error without a name, ${JSON.stringify(context)}: ${String(error)}`, { cause: error });
}
