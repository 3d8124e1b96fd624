import { Region, type RegionDescriptor, SLOT, SlotTable } from '@memlane/core';

/** A file with nothing in it but slots, where those of a ring are. */
const SLOT_COUNT = 3;
const SLOTS_OFFSET = 1024;
export const FILE_ID = '00112233445566778899aabbccddeeff';

/** The participants of a region, as whoever mapped it sees them. */
export function tableOf(region: Region): SlotTable {
  return new SlotTable(region.file, {
    words: new Int32Array(region.buffer, 0, region.length >> 2),
    address: region.address,
    slotsOffset: SLOTS_OFFSET,
    slotCount: SLOT_COUNT,
    fileId: FILE_ID,
  });
}

/** A mapping and a table of one's own: what another thread or process would have. */
export function attachTable(descriptor: RegionDescriptor): { region: Region; table: SlotTable } & Disposable {
  const region = Region.attach(descriptor);
  return { region, table: tableOf(region), [Symbol.dispose]: () => region.close() };
}

/** Index of a word of a slot. */
export function wordOf(slot: number, field: keyof typeof SLOT.fields): number {
  return (SLOTS_OFFSET + slot * SLOT.bytes + SLOT.fields[field].offset) >> 2;
}
