import { parseArgs } from 'node:util';
import { allSizes } from './catalog.ts';

export interface Options {
  readonly only: RegExp;
  readonly sizes: readonly number[];
  readonly rounds: number;
  readonly sampleSeconds: number;
  readonly idleSeconds: number;
  readonly json: string | undefined;
  readonly save: boolean;
}

export const usage: string = `pnpm bench [-- OPTION ...]
  --only REGEX     only cases whose name matches; round trips are called "round trip NAME"
  --sizes 8,64     only these payload sizes, in bytes (${allSizes.join(', ')})
  --rounds N       samples of each case (default 5)
  --quick          one short round of 64 B and 1 KiB
  --json FILE      write all samples to FILE
  --save           write all samples and the tables to results/
  --help`;

/** @returns the options, or undefined when only help was asked for */
export function parseOptions(argv: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    // pnpm hands its own "--" on.
    args: argv.filter((argument) => argument !== '--'),
    options: {
      only: { type: 'string', default: '' },
      sizes: { type: 'string' },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      save: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const sizes = values.sizes?.split(',').map(Number) ?? (values.quick ? [64, 1024] : allSizes);
  const unknown = sizes.find((size) => !allSizes.includes(size));
  if (unknown !== undefined) throw new RangeError(`--sizes: ${unknown} is not one of ${allSizes.join(', ')}`);
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
  if (!Number.isSafeInteger(rounds) || rounds < 1)
    throw new RangeError(`--rounds: ${values.rounds} is not a number from 1`);
  return {
    only: new RegExp(values.only, 'i'),
    sizes,
    rounds,
    sampleSeconds: values.quick ? 0.15 : 0.4,
    idleSeconds: values.quick ? 2 : 10,
    json: values.json,
    save: values.save,
  };
}
