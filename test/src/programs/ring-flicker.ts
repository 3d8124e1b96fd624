// Writes and reads messages of 8 bytes whose lengths flicker in between: { path, forMs }. Each comes as it is or is
// refused; says 'ended' with how often.
import { type MemlaneError, openRing } from 'memlane';
import { parameters, say } from '../support/speech.ts';

const { path, forMs } = parameters<{ path: string; forMs: number }>();
const ring = openRing(path);
const producer = ring.producer();
const consumer = ring.consumer();
const payload = new Uint8Array(8);
const seen = { read: 0, polled: 0, refused: 0 };
say('working');

const end = performance.now() + forMs;
for (let n = 0; performance.now() < end; n++) {
  producer.tryWrite(payload);
  try {
    let length = 8;
    if (n % 3 === 0) {
      consumer.poll((_view, _offset, found) => {
        length = found;
        seen.polled += 1;
      }, 1);
    } else {
      const message = consumer.tryRead();
      if (message !== null) {
        length = message.data.length;
        seen.read += 1;
      }
    }
    if (length !== 8) throw new Error(`a message of ${length} bytes`);
  } catch (error) {
    const { code, field } = error as MemlaneError;
    if (code !== 'ERR_MEMLANE_CORRUPT' || field !== 'length') throw error;
    seen.refused += 1;
  }
}
say('ended', seen);
