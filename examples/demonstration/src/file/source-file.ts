// The file of the first act: the user's, or one that every machine has.
import { closeSync, constants, existsSync, fstatSync, openSync } from 'node:fs';
import { resolve } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import { Complaint } from '../complaint.ts';

export interface SourceFile {
  readonly path: string;
  readonly bytes: number;
}

/** @throws Complaint when there is no such file, or nothing in it to be sent. */
export function chooseFile(name: string | undefined): SourceFile {
  const path = name === undefined ? process.execPath : locate(name);
  let fd: number;
  try {
    // O_NONBLOCK: a FIFO would keep us waiting for somebody to write.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const { errno = 0, code } = error as NodeJS.ErrnoException;
    throw new Complaint(`${path}: ${getSystemErrorMap().get(errno)?.[1] ?? code}`);
  }
  try {
    const status = fstatSync(fd);
    if (status.isDirectory()) throw new Complaint(`${path}: this is a directory; name a file`);
    if (!status.isFile()) throw new Complaint(`${path}: this is not a regular file`);
    if (status.size === 0) throw new Complaint(`${path}: the file is empty`);
    return { path, bytes: status.size };
  } finally {
    closeSync(fd);
  }
}

/** npm runs scripts in the folder of the package, and says in INIT_CWD where the user was. */
function locate(name: string): string {
  const here = resolve(name);
  const there = resolve(process.env.INIT_CWD ?? '.', name);
  return existsSync(there) ? there : here;
}
