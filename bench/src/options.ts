import { parseArgs } from 'node:util';
import { allSizes } from './catalog.ts';
import { ORDER_BYTES } from './order.ts';
import { topologySizes } from './topology-catalog.ts';

const SUITES = ['pairs', 'topologies', 'messages'] as const;
export type Suite = (typeof SUITES)[number];

export interface Options {
  readonly suite: Suite;
  readonly only: RegExp;
  readonly sizes: readonly number[];
  readonly rounds: number;
  readonly sampleSeconds: number;
  readonly idleSeconds: number;
  readonly json: string | undefined;
  readonly save: boolean;
}

export const usage: string = `pnpm bench [-- OPTION ...]
  --suite NAME     pairs (default): one producer, one consumer; topologies: several, on either side;
                   messages: typed ones, of ten fields
  --only REGEX     only cases whose name matches; round trips are called "round trip NAME",
                   topologies "mpsc 8x1 NAME", "broadcast 1x4 NAME", "work queue 2x2 NAME"
  --sizes 8,64     only these payload sizes, in bytes (${allSizes.join(', ')}; of topologies
                   ${topologySizes.join(', ')}, default 64)
  --rounds N       samples of each case (default 5; of topologies 3)
  --quick          one short round; of pairs, 64 B and 1 KiB
  --json FILE      write all samples to FILE
  --save           write all samples and the tables to results/
  --help`;

/** @returns the options, or undefined when only help was asked for */
export function parseOptions(argv: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    // pnpm hands its own "--" on.
    args: argv.filter((argument) => argument !== '--'),
    options: {
      suite: { type: 'string', default: 'pairs' },
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
  const { suite, quick } = values;
  if (!isSuite(suite)) throw new RangeError(`--suite: ${suite} is not one of ${SUITES.join(', ')}`);
  const possibleSizes = { pairs: allSizes, topologies: topologySizes, messages: [ORDER_BYTES] }[suite];
  const sizes = values.sizes?.split(',').map(Number) ?? defaultSizes(suite, quick);
  const unknown = sizes.find((size) => !possibleSizes.includes(size));
  if (unknown !== undefined) throw new RangeError(`--sizes: ${unknown} is not one of ${possibleSizes.join(', ')}`);
  const rounds = Number(values.rounds ?? (quick ? 1 : suite === 'pairs' ? 5 : 3));
  if (!Number.isSafeInteger(rounds) || rounds < 1)
    throw new RangeError(`--rounds: ${values.rounds} is not a number from 1`);
  return {
    suite,
    only: new RegExp(values.only, 'i'),
    sizes,
    rounds,
    sampleSeconds: quick ? 0.15 : suite === 'pairs' ? 0.4 : 0.3,
    idleSeconds: quick ? 2 : 10,
    json: values.json,
    save: values.save,
  };
}

function isSuite(name: string): name is Suite {
  return (SUITES as readonly string[]).includes(name);
}

function defaultSizes(suite: Suite, quick: boolean): readonly number[] {
  if (suite === 'topologies') return [64];
  if (suite === 'messages') return [ORDER_BYTES];
  return quick ? [64, 1024] : allSizes;
}
