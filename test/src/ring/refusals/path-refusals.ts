import { ok, strictEqual } from 'node:assert';
import {
  appendFileSync,
  chmodSync,
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createMemoryFile, makeFifo, PAGE_SIZE, status, truncate } from '@memlane/linux';
import {
  attachRing,
  createAnonymousRing,
  createRing,
  openOrCreateRing,
  openRing,
  type Ring,
  removeRing,
} from 'memlane';
import { CAPACITY } from '../conformance/bed.ts';
import { bellsIn } from '../ring-bytes.ts';
import { newRing, type Refusal, refused, works, worksAt } from './refusal.ts';

/** What is at a path that is no ring, or not for this process. */
export const pathRefusals: readonly Refusal[] = [
  {
    name: 'nothing is there',
    run: ({ path }) => {
      refused('ENOENT', () => openRing(path), path);
      refused('ENOENT', () => removeRing(path), path);
      refused('ENOTDIR', () => openRing(`${newRing(path)}/below`), 'folder');
    },
  },
  {
    name: 'a ring is there already',
    run: ({ path, folder }) => {
      newRing(path);
      const { ino } = statSync(path);
      refused('ERR_MEMLANE_EXISTS', () => createRing(path), path, 'openOrCreateRing');
      strictEqual(statSync(path).ino, ino);
      strictEqual(readdirSync(folder).length, 1);
      writeFileSync(join(folder, 'text'), 'no ring');
      refused('ERR_MEMLANE_EXISTS', () => createRing(join(folder, 'text')));
      works(openOrCreateRing(path));
    },
  },
  {
    name: 'a symbolic link, to a ring and to nothing',
    run: ({ path, folder }) => {
      const link = join(folder, 'link');
      symlinkSync(newRing(path), link);
      refused('ERR_MEMLANE_SYMLINK', () => openRing(link), link, 'realpath');
      refused('ERR_MEMLANE_SYMLINK', () => openOrCreateRing(link), link);
      refused('ERR_MEMLANE_SYMLINK', () => removeRing(link), link);
      const dangling = join(folder, 'dangling');
      symlinkSync(join(folder, 'nothing'), dangling);
      refused('ERR_MEMLANE_SYMLINK', () => openRing(dangling), dangling);
      refused('ERR_MEMLANE_EXISTS', () => createRing(dangling), dangling);
    },
  },
  {
    name: 'what is no regular file',
    run: async ({ path, folder }) => {
      mkdirSync(path);
      const fifo = join(folder, 'fifo');
      makeFifo(fifo);
      const socket = join(folder, 'socket');
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(socket, resolve));
      try {
        for (const other of [path, fifo, socket, '/dev/null', '/dev/zero'])
          for (const access of ['readwrite', 'read'] as const)
            refused('ERR_MEMLANE_NOT_A_FILE', () => openRing(other, { access }), other, 'regular file');
      } finally {
        server.close();
      }
    },
  },
  {
    name: 'a file that is empty, short or anything else',
    run: ({ path }) => {
      writeFileSync(path, '');
      refused('ERR_MEMLANE_NOT_MEMLANE', () => openRing(path), 'empty', path);
      for (const bytes of [Buffer.from('x'), Buffer.alloc(4), Buffer.alloc(65536), Buffer.alloc(65536, 0xff)]) {
        writeFileSync(path, bytes);
        refused('ERR_MEMLANE_NOT_MEMLANE', () => openRing(path), 'magic', path);
        refused('ERR_MEMLANE_NOT_MEMLANE', () => openOrCreateRing(path));
        refused('ERR_MEMLANE_NOT_MEMLANE', () => removeRing(path)); // what is none of ours is not deleted
      }
      ok(statSync(path).size === 65536);
    },
  },
  {
    name: 'a file that was cut',
    run: ({ path }) => {
      const { size } = statSync(newRing(path));
      for (const length of [size - 1, size - PAGE_SIZE, PAGE_SIZE, 1024, 640]) {
        truncateSync(path, length);
        refused('ERR_MEMLANE_TRUNCATED', () => openRing(path), String(length), String(size));
      }
      for (const length of [639, 512, 100, 12]) {
        truncateSync(path, length);
        refused('ERR_MEMLANE_TRUNCATED', () => openRing(path), String(length));
      }
      for (const length of [7, 1, 0]) {
        truncateSync(path, length);
        refused('ERR_MEMLANE_NOT_MEMLANE', () => openRing(path));
      }
    },
  },
  {
    name: 'a file that has grown',
    run: ({ path }) => {
      appendFileSync(newRing(path), 'x');
      strictEqual(refused('ERR_MEMLANE_CORRUPT', () => openRing(path), 'fileLength').field, 'fileLength');
    },
  },
  {
    name: 'a file that everybody may write to',
    run: ({ path }) => {
      chmodSync(newRing(path), 0o602);
      refused('ERR_MEMLANE_PERMISSIVE', () => openRing(path), '602', 'chmod');
      refused('ERR_MEMLANE_PERMISSIVE', () => openRing(path, { access: 'read' }));
      refused('ERR_MEMLANE_PERMISSIVE', () => removeRing(path));
      works(openRing(path, { allowWorldWritable: true }));
      chmodSync(path, 0o664);
      worksAt(path);
    },
  },
  {
    name: 'names and shapes that cannot be',
    run: ({ path, folder }) => {
      process.env.MEMLANE_DIR = folder;
      for (const name of ['', '.hidden', '..', 'a\0b', '/tmp/a\0b', 'x'.repeat(201), 5 as unknown as string])
        refused('ERR_MEMLANE_ARGUMENT', () => createRing(name), 'name');
      for (const capacityBytes of [
        0,
        1,
        4095,
        4097,
        6144,
        2 ** 31,
        -4096,
        4096.5,
        Number.NaN,
        '4096' as unknown as number,
      ])
        refused(
          'ERR_MEMLANE_ARGUMENT',
          () => createRing(path, { capacityBytes }),
          'capacityBytes',
          String(capacityBytes),
        );
      for (const startPosition of [-8, 4, 2 ** 32, 0.5])
        refused('ERR_MEMLANE_ARGUMENT', () => createRing(path, { startPosition }), 'startPosition');
      refused('ERR_MEMLANE_ARGUMENT', () => createAnonymousRing({ capacityBytes: 5 }), 'capacityBytes');
      for (const descriptor of [null, undefined, {}, { type: 'memlane.region' }, 'ring'])
        refused('ERR_MEMLANE_ARGUMENT', () => attachRing(descriptor as never), 'descriptor');
      strictEqual(readdirSync(folder).length, 0);
      works(createRing('x'.repeat(200), { capacityBytes: CAPACITY }));
    },
  },
  {
    name: 'a folder for named rings that others may write to, or that is none',
    run: ({ folder }) => {
      const open = join(folder, 'open');
      mkdirSync(open);
      for (const mode of [0o777, 0o720, 0o1777]) {
        chmodSync(open, mode);
        process.env.MEMLANE_DIR = open;
        refused('ERR_MEMLANE_PERMISSIVE', () => createRing('orders'), open);
        refused('ERR_MEMLANE_PERMISSIVE', () => openRing('orders'), open);
      }
      chmodSync(open, 0o700);
      works(createRing('orders', { capacityBytes: CAPACITY }));
      process.env.MEMLANE_DIR = join(folder, 'file');
      writeFileSync(process.env.MEMLANE_DIR, '');
      refused('ERR_MEMLANE_NOT_A_FILE', () => createRing('orders'), 'file');
      process.env.MEMLANE_DIR = join(folder, 'link');
      symlinkSync(open, process.env.MEMLANE_DIR);
      refused('ERR_MEMLANE_NOT_A_FILE', () => createRing('orders'), 'link');
    },
  },
  {
    name: 'a file that was deleted while it was open',
    run: ({ path }) => {
      using ring = openRing(newRing(path));
      rmSync(path);
      refused('ERR_MEMLANE_DELETED', () => ring.producer(), path, 'again');
      refused('ERR_MEMLANE_DELETED', () => ring.consumer());
      newRing(path);
      refused('ERR_MEMLANE_DELETED', () => ring.producer());
      worksAt(path);
    },
  },
  {
    name: 'a descriptor whose file has been replaced',
    run: ({ path, folder }) => {
      using ring = openRing(newRing(path));
      const descriptor = ring.descriptor();
      const other = newRing(join(folder, 'other.ring'));
      renameSync(other, path);
      refused('ERR_MEMLANE_DELETED', () => attachRing(descriptor), path);
      rmSync(path);
      refused('ENOENT', () => attachRing(descriptor), path);
    },
  },
  {
    name: 'a descriptor of an anonymous ring that is gone',
    run: ({ folder }) => {
      process.env.MEMLANE_DIR = folder;
      const ring = createAnonymousRing({ capacityBytes: CAPACITY });
      const descriptor = ring.descriptor();
      works(attachRing(descriptor));
      ring.close();
      refused('ERR_MEMLANE_DELETED', () => attachRing(descriptor), descriptor.path);
      const reused = openSync('/dev/null', 'r'); // the number means something else by now
      refused('ERR_MEMLANE_DELETED', () => attachRing(descriptor), descriptor.path);
      closeSync(reused);
      refused('ERR_MEMLANE_DELETED', () => attachRing({ ...descriptor, path: '/proc/1073741823/fd/3' }));
      strictEqual(bellsIn(folder).length, 0);
    },
  },
  {
    name: 'an anonymous file that its sender could still cut',
    run: ({ folder }) => {
      process.env.MEMLANE_DIR = folder;
      using ring = createAnonymousRing({ capacityBytes: CAPACITY });
      const fd = createMemoryFile('unsealed');
      truncate(fd, 65536);
      const { dev, ino } = status(fd);
      const descriptor = { ...ring.descriptor(), path: `/proc/self/fd/${fd}`, identity: { dev, ino } };
      refused('ERR_MEMLANE_UNSEALED', () => attachRing(descriptor), 'createAnonymousRing');
      closeSync(fd);
    },
  },
  {
    name: 'the removal of a ring that somebody uses',
    run: ({ path, folder }) => {
      using ring = openRing(newRing(path));
      const producer = ring.producer();
      refused('ERR_MEMLANE_BUSY', () => removeRing(path), String(process.pid), path);
      refused('ERR_MEMLANE_BUSY', () => ring.unlink());
      const consumer = ring.consumer();
      producer.close();
      refused('ERR_MEMLANE_BUSY', () => removeRing(path), String(process.pid));
      consumer.close();
      strictEqual(statSync(path).nlink, 1);
      removeRing(path);
      strictEqual(readdirSync(folder).length, 0);
      refused('ERR_MEMLANE_DELETED', () => ring.producer());
      removeRing(newRing(path));
    },
  },
  {
    name: 'the removal of a name that means another file by now',
    run: ({ path, folder }) => {
      using ring = openRing(newRing(path));
      linkSync(path, join(folder, 'kept.ring'));
      renameSync(newRing(join(folder, 'new.ring')), path);
      ring.unlink();
      worksAt(path);
      worksAt(join(folder, 'kept.ring'));
    },
  },
  {
    name: 'what an observer may not do',
    run: ({ path, folder }) => {
      newRing(path);
      using ring = openRing(path, { access: 'read' });
      for (const write of [() => ring.producer(), () => ring.consumer(), () => ring.unlink()])
        refused('ERR_MEMLANE_READ_ONLY', write, 'readwrite');
      strictEqual(ring.statistics().producers[0].alive, false);
      strictEqual(readdirSync(folder).length, 1);
      {
        using writer = openRing(path);
        writer.producer().tryWrite('x');
        strictEqual(ring.statistics().producers[0].alive, true);
        strictEqual(ring.statistics().consumers[0].alive, false);
        strictEqual(ring.statistics().backlogBytes, 16);
      }
      strictEqual(ring.statistics().producers[0].alive, false);
      refused('ERR_MEMLANE_READ_ONLY', () => attachRing(ring.descriptor()).producer());
    },
  },
  {
    name: 'everything of a ring that is closed',
    run: ({ path }) => {
      const ring: Ring = openRing(newRing(path));
      ring.close();
      ring.close();
      for (const use of [
        () => ring.producer(),
        () => ring.consumer(),
        () => ring.statistics(),
        () => ring.descriptor(),
        () => ring.unlink(),
      ])
        refused('ERR_MEMLANE_CLOSED', use, 'ring');
    },
  },
];
