// Receives from a Unix socket into one buffer that is used again and again: the least that Node.js can do for a chunk.
// Only the side that connects may bring such a buffer along, so here the sender listens.
import { connect } from 'node:net';
import { join } from 'node:path';
import { numberInStream } from '../../message.ts';
import { Arrivals } from '../arrivals.ts';
import { FrameReader } from '../frames.ts';
import { parseHeat } from '../heat-arguments.ts';

const CHUNK_BYTES = 64 << 10;

const { directory, warmupMs } = parseHeat();
const arrivals = new Arrivals(warmupMs);
const frames = new FrameReader((view, at) => arrivals.check(numberInStream(view, at)));
const buffer = new Uint8Array(CHUNK_BYTES);

connect({
  path: join(directory, 'socket'),
  onread: {
    buffer,
    callback: (length) => {
      frames.read(buffer.subarray(0, length));
      arrivals.clock();
      return true;
    },
  },
}).on('end', () => arrivals.end());
