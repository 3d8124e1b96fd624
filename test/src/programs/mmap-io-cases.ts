// node mmap-io-cases.js PACKAGE FOLDER [INDEX]: runs the cases that end, or one; prints [index, outcome] pairs as JSON.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { MmapIo } from '@memlane/core/mmap-io';
import { type Case, expected, type Outcome } from '../mmap-io/case.ts';
import { cases } from '../mmap-io/cases.ts';

const [specifier, folder, only] = process.argv.slice(2);
const { default: mmap } = (await import(specifier)) as { default: MmapIo };
const implementation = specifier === 'mmap-io' ? 'original' : 'dropIn';

const outcomes: [index: number, outcome: Outcome][] = [];
mkdirSync(folder, { recursive: true });
for (const [index, item] of cases.entries()) {
  const outcome = expected(item, implementation);
  const wanted = only === undefined ? outcome !== 'depends' && !('dies' in outcome) : index === Number(only);
  if (wanted) outcomes.push([index, outcomeOf(item, join(folder, String(index)))]);
}
process.stdout.write(JSON.stringify(outcomes));

/** Runs a case in a folder of its own. A fault ends the process instead. */
function outcomeOf({ run }: Case, folder: string): Outcome {
  mkdirSync(folder);
  try {
    return { returns: run(mmap, folder) ?? null };
  } catch (error) {
    return { throws: (error as Error).message };
  }
}
