import { Region, SharedFile } from '@memlane/core';
import type { RecordView } from './lane-memory.ts';
import { recordView } from './lanes.ts';
import { closingOnFailure } from './ring-file.ts';

/** Private memory of the shape of a ring's data, mirrored like it. */
export function createDraft(capacityBytes: number): { region: Region; view: RecordView } {
  const file = SharedFile.createAnonymous('memlane.draft', capacityBytes);
  return closingOnFailure(file, () => {
    file.seal();
    const region = Region.map(file, { mirror: capacityBytes });
    return { region, view: recordView(region.buffer, 0, capacityBytes) };
  });
}
