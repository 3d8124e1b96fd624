/* Gives root up and opens what it is told to. */
import { type Access, SharedFile, type Trust } from '@memlane/core';
import { becomeUser, parameters, say, thrownBy } from '../support/speech.ts';

interface Attempt {
  readonly path: string;
  readonly access: Access;
  readonly trust?: Trust;
}

const { uid, attempts } = parameters<{ uid: number; attempts: Attempt[] }>();
becomeUser(uid);
say(
  'result',
  attempts.map(({ path, access, trust }) => thrownBy(() => SharedFile.open(path, access, trust).close())?.code ?? null),
);
