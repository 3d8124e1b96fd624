// The command line.
import { Complaint } from './complaint.ts';

export const USAGE = `usage: npm start [-- [--quick] [FILE]]
  FILE     what goes through the ring in the first act; without it, the binary of Node.js itself
  --quick  less of everything: to see whether it works, not how fast`;

export interface Arguments {
  readonly file: string | undefined;
  readonly quick: boolean;
  readonly help: boolean;
}

/** @throws Complaint */
export function parseArguments(argv: readonly string[]): Arguments {
  const end = argv.indexOf('--');
  const options = argv.filter((word, at) => word.startsWith('-') && (end < 0 || at < end));
  const files = argv.filter((word, at) => at !== end && !options.includes(word));
  const unknown = options.find((option) => !['--quick', '--help', '-h'].includes(option));
  if (unknown !== undefined) throw new Complaint(`${unknown}: there is no such option\n${USAGE}`);
  if (files.length > 1) throw new Complaint(`One file at a time, please\n${USAGE}`);
  return {
    file: files[0],
    quick: options.includes('--quick'),
    help: options.includes('--help') || options.includes('-h'),
  };
}
