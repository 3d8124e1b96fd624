import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Case, expected, type Outcome } from './case.ts';
import { cases } from './cases.ts';
import { DROP_IN, node, nodeJson, ORIGINAL, programPath, temporaryFolder, whyNoOriginal } from './harness.ts';

const reason = whyNoOriginal();

suite('dropIn', DROP_IN);
if (reason === null) suite('original', ORIGINAL);
else test.skip(`only the drop-in is checked, for the original does not load: ${reason}`, () => {});

/** What one package does in every case, against what it must do. */
function suite(implementation: 'dropIn' | 'original', specifier: string): void {
  describe(specifier, () => {
    const folder = temporaryFolder();
    let outcomes = new Map<number, Outcome>();
    beforeAll(() => {
      const shared = join(folder.path, 'shared');
      outcomes = new Map(nodeJson<[number, Outcome][]>(programPath('mmap-io-cases'), specifier, shared));
    });
    afterAll(() => folder[Symbol.dispose]());

    const comparable = cases
      .map((item, index) => ({ item, index }))
      .filter(({ item }) => expected(item, implementation) !== 'depends');
    test.each(comparable.map(({ item, index }) => [item.name, item, index] as const))('%s', (_name, item, index) => {
      const outcome = outcomes.get(index) ?? death(item, index);
      expect(outcome).toEqual(expected(item, implementation));
    });

    /** A case that kills its process gets one of its own. */
    function death(item: Case, index: number): Outcome {
      const run = join(folder.path, `alone-${index}`);
      const { signal, stdout } = node([programPath('mmap-io-cases'), specifier, run, String(index)], {
        cwd: folder.path, // where a core file would go
      });
      if (signal === 'SIGSEGV' || signal === 'SIGABRT') return { dies: signal };
      return JSON.parse(stdout)[0]?.[1] ?? { throws: `${item.name} never ran` };
    }
  });
}
