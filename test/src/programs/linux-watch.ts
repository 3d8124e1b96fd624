/* Watches descriptors in the event loop, where a mistake would abort the process. */
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { type DescriptorWatch, systemCalls, watchHangup, watchReadable } from '@memlane/linux';
import { Commands, parameters, pause, say, thrownBy } from '../support/speech.ts';

const { scene, path } = parameters<{ scene: string; path: string }>();

const open = (flags: number = constants.O_RDWR): number => openSync(path, flags | constants.O_NONBLOCK);
const ding = (fd: number): void => {
  writeSync(fd, 'x');
};
const drain = (fd: number): void => {
  const into = new Uint8Array(16);
  while (systemCalls.read(fd, into, into.length) === into.length);
};

/** Resolves as soon as the condition holds. Patience is the judge's. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await pause(1);
}

const scenes: Readonly<Record<string, () => unknown>> = {
  readable: async () => {
    const fd = open();
    let calls = 0;
    const watch = watchReadable(fd, () => {
      if (++calls === 3) drain(fd);
    });
    await pause(30);
    const early = calls;
    ding(fd);
    await until(() => calls === 3);
    await pause(30);
    watch.close();
    return { early, undrained: 3, drained: calls - 3 };
  },

  twice: async () => {
    const fd = open();
    let calls = 0;
    const watch = watchReadable(fd, () => {
      drain(fd);
      calls++;
    });
    const refused = (attempt: () => unknown) => {
      const error = thrownBy(attempt);
      return { code: error?.code, namesIt: error?.message.startsWith(`fd is ${fd}, `) };
    };
    const again = refused(() => watchReadable(fd, () => {}));
    const hangup = refused(() => watchHangup(fd, () => {}));
    ding(fd);
    await until(() => calls > 0);
    watch.close();
    return { again, hangup, calls };
  },

  collected: async () => {
    const called = new Set<number>();
    const watch = (fd: number): void => {
      watchReadable(fd, () => {
        drain(fd);
        called.add(fd);
      });
    };
    // Only the bytes written to it make a FIFO readable, and all of these are one FIFO: each gets its turn.
    const descriptors = Array.from({ length: 50 }, () => open());
    for (const fd of descriptors) watch(fd);
    for (let round = 0; round < 10; round++) {
      globalThis.gc?.();
      await pause(1);
    }
    const deadline = performance.now() + 20_000;
    while (called.size < descriptors.length && performance.now() < deadline) {
      ding(descriptors[0] as number);
      await pause(1);
    }
    setImmediate(() => process.exit());
    return { watches: descriptors.length, called: called.size };
  },

  unreferenced: () => {
    const fd = open();
    watchReadable(fd, () => say('result', 'called'));
    process.once('exit', () => say('result', 'ended by itself'));
  },

  'unreferenced again': () => {
    const fd = open();
    const watch = watchReadable(fd, () => say('result', 'called'));
    watch.ref();
    watch.unref();
    process.once('exit', () => say('result', 'ended by itself'));
  },

  referenced: () => {
    const fd = open();
    const watch = watchReadable(fd, () => {
      say('result', 'called');
      watch.close();
    });
    watch.ref();
    setTimeout(() => ding(fd), 100).unref();
  },

  closed: async () => {
    let first = 0;
    let second = 0;
    const fd = open();
    const watch = watchReadable(fd, () => {
      first++;
      watch.close();
      watch.close();
      closeSync(fd);
    });
    ding(fd);
    await until(() => first > 0);
    const again = open();
    const anew = watchReadable(again, () => {
      second++;
      anew.close();
      closeSync(again);
    });
    ding(again);
    await until(() => second > 0);
    return { sameNumber: fd === again, first, second };
  },

  stale: async () => {
    const fd = open();
    const stale = watchReadable(fd, () => {});
    stale.close();
    let calls = 0;
    const watch = watchReadable(fd, () => {
      drain(fd);
      calls++;
    });
    watch.ref();
    stale.close();
    stale.unref();
    const refused = thrownBy(() => watchReadable(fd, () => {}))?.code;
    ding(fd);
    await new Promise<void>((resolve) => {
      // Unreferenced, so that only the watch keeps the process.
      setInterval(() => {
        if (calls > 0) resolve();
      }, 1).unref();
    });
    watch.close();
    return { calls, refused };
  },

  alone: async () => {
    const fd = open();
    let watch: DescriptorWatch | undefined;
    const called = new Promise<void>((resolve) => {
      watch = watchReadable(fd, () => {
        drain(fd);
        resolve();
      });
      watch.ref();
    });
    say('watching');
    await called;
    watch?.close();
    return 'went on';
  },

  unwatchable: async () => {
    const file = openSync(process.execPath, 'r');
    const refused = (fd: number) =>
      [watchReadable, watchHangup].map((watch) => thrownBy(() => watch(fd, () => {}))?.code);
    const codes = { file: refused(file), folder: refused(openSync('/', 'r')), closed: refused(9999) };
    const fd = open();
    let calls = 0;
    const watch = watchReadable(fd, () => {
      drain(fd);
      calls++;
    });
    ding(fd);
    await until(() => calls > 0);
    watch.close();
    return { ...codes, fifoAfterwards: calls };
  },

  owner: async () => {
    const fd = open();
    const commands = new Commands();
    say('open');
    await commands.next();
    closeSync(fd);
    await commands.next();
  },

  hangup: async () => {
    const fd = open(constants.O_WRONLY);
    let calls = 0;
    const watch = watchHangup(fd, () => {
      calls++;
      say('gone');
    });
    say('watching');
    for (let i = 0; i < 3; i++) {
      ding(fd);
      await pause(20);
    }
    say('written');
    await until(() => calls > 0);
    await pause(50);
    watch.close();
    closeSync(fd);
    return { calls };
  },
};

const result = await scenes[scene]?.();
if (result !== undefined) say('result', result);
