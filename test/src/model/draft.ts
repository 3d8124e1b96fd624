/*
 * What the module hook puts in the place of packages/ring/src/draft.ts: private memory of an actor, mirrored like a lane's
 * data. Plain arrays, so that what is in it belongs to the actor's private state.
 */

const NO_REGION: Disposable = { [Symbol.dispose]: () => {} };

export function createDraft(capacityBytes: number): { region: Disposable; view: object } {
  const words = capacityBytes >> 2;
  const i32: number[] = new Array(2 * words).fill(0);
  const u8 = {
    set: (bytes: Uint8Array, offset: number) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      for (let byte = 0; byte < bytes.length; byte += 4) {
        const word = ((offset + byte) >> 2) % words;
        i32[word] = view.getInt32(byte, true);
        i32[word + words] = i32[word];
      }
    },
    subarray: (from: number, to: number) => {
      const view = new DataView(new ArrayBuffer(to - from));
      for (let byte = from; byte < to; byte += 4) view.setInt32(byte - from, i32[byte >> 2] as number, true);
      return new Uint8Array(view.buffer);
    },
  };
  return { region: NO_REGION, view: { i32, u8 } };
}
