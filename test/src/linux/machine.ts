import { test } from '@jest/globals';
import { whyNotRoot } from '../support/program.ts';

/** A test that only root can run; for others its name says why it does not run. */
export const rootTest = (name: string, run: () => void | Promise<void>): void =>
  whyNotRoot === null ? test(name, run) : test.todo(`${name} (${whyNotRoot})`);

export const NODE_MAJOR: number = Number(process.versions.node.split('.')[0]);

/** A user that is nobody's: for programs that root starts and that give root up. */
export const NOBODY = 65534;
