import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';

/** The protocols in the words of Promela, what each is checked with, and the mutants that spin has to reject. */
const models = [
  {
    model: 'parking',
    variants: [[]],
    mutants: ['LOOK_BEFORE_PUBLISH', 'NO_SECOND_LOOK', 'LATE_BELL', 'SAME_EPISODE', 'SILENT_DEATH'],
  },
  {
    model: 'resize',
    variants: [[], ['CROWD']],
    mutants: ['ANSWER_FIRST', 'LOOK_BEFORE_SLOT', 'SAME_GENERATION', 'NO_HEIR'],
  },
];

const whyNot = missing('spin') ?? missing('gcc');
const spinTest = whyNot === null ? test : test.skip;
const reason = whyNot === null ? '' : ` (${whyNot})`;
const WATCHDOG_MS = 120_000;

describe.each(models)('the model of $model', ({ model, variants, mutants }) => {
  spinTest.each(variants.map((definitions) => ({ definitions })))(
    `holds in every state: $definitions${reason}`,
    ({ definitions }) => {
      const { errors, states, output } = check(model, definitions);
      process.stdout.write(`${model} ${definitions}: ${states} states\n`);
      expect(output).not.toMatch(/max search depth too small|bound/);
      expect(errors).toBe(0);
      expect(states).toBeGreaterThan(10_000);
    },
    WATCHDOG_MS,
  );

  spinTest.each(mutants)(
    `is rejected with %s${reason}`,
    (mutant) => {
      // Else a name that the model does not know would be the model itself.
      expect(readFileSync(pathOf(model), 'latin1')).toMatch(new RegExp(`^#ifn?def ${mutant}$`, 'm'));
      const { errors, output } = check(model, [mutant]);
      expect(errors).toBe(1);
      expect(output).toMatch(/assertion violated/);
    },
    WATCHDOG_MS,
  );
});

/** Has spin make the model a C program, which searches all states. */
function check(model: string, definitions: readonly string[]): { errors: number; states: number; output: string } {
  const cwd = mkdtempSync(join(tmpdir(), 'memlane-promela-'));
  try {
    const run = (program: string, parameters: readonly string[]): string =>
      execFileSync(program, parameters, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    run('spin', ['-a', ...definitions.map((definition) => `-D${definition}`), pathOf(model)]);
    run('gcc', ['-w', '-O1', '-DSAFETY', '-DMEMLIM=2048', '-o', 'pan', 'pan.c']);
    const output = run('./pan', ['-m100000']);
    return {
      errors: Number(/errors: (\d+)/.exec(output)?.[1]),
      states: Number(/(\d+) states, stored/.exec(output)?.[1]),
      output,
    };
  } finally {
    rmSync(cwd, { recursive: true });
  }
}

/** Models are read where they are written: the compiler does not copy them. */
function pathOf(model: string): string {
  return fileURLToPath(new URL(`../../src/model/promela/${model}.pml`, import.meta.url));
}

function missing(program: string): string | null {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`]);
    return null;
  } catch {
    return `${program} is not installed`;
  }
}
