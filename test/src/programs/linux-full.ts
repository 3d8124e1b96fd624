/* Fills a small file system. */
import { constants } from 'node:fs';
import { allocate, open, status } from '@memlane/linux';
import { parameters, say, thrownBy } from '../support/speech.ts';

const fd = open(`${parameters<string>()}/a`, constants.O_RDWR | constants.O_CREAT);
const error = thrownBy(() => allocate(fd, 0, 2 ** 21, '/full'));
say('result', { ...error, sizeAfterwards: status(fd).size });
