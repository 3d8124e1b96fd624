// The file layout of an SPSC ring, as docs/layouts.md gives it: written from that page alone, so that it also shows
// that the page suffices. Offsets in bytes, little endian.
#pragma once
#include <stdint.h>

#define MAGIC0 0x4c4d454du
#define MAGIC1 0x00454e41u
#define LAYOUT_VERSION 1u
#define KIND_RING 2u
#define BYTE_ORDER_MARK 0x01020304u
#define READY_MARK 0x59444552

enum superblock {
  SB_MAGIC0 = 0,
  SB_MAGIC1 = 4,
  SB_VERSION = 8,
  SB_KIND = 12,
  SB_BYTE_ORDER = 20,
  SB_PAGE_SIZE = 24,
  SB_FILE_LENGTH = 56,
  SB_SLOT_COUNT = 64,
  SB_SLOTS_OFFSET = 68,
  SB_READY = 132,
};

enum ring_header {
  RH_TOPOLOGY = 512,
  RH_PRODUCERS = 516,
  RH_CONSUMERS = 520,
  RH_CAPACITY = 524,
  RH_LANES_OFFSET = 528,
  RH_DATA_OFFSET = 532,
  RH_INITIAL_POSITION = 536,
};

enum slot {
  SLOT_STRIDE = 256,
  SLOT_STATE = 0,
  SLOT_PARKED = 8,
  SLOT_BELL = 12,
  SLOT_PID = 16,
  SLOT_ROLE = 20,
  SLOT_STATISTICS = 128, // a line of doubles that only the owner writes
};

enum statistic { STAT_MESSAGES, STAT_BYTES, STAT_BATCHES, STAT_REFUSALS, STAT_PARKS, STAT_RINGS };

// The parked word: episode << 2 | asleep << 1 | kind. The episode outlives the sleep and the owner.
enum parked { PARKED_THREAD = 1, PARKED_ASLEEP = 2, PARKED_EPISODE = 4 };

enum lane {
  LANE_PUBLISHED = 0,
  LANE_CONSUMED = 256,
};

enum record {
  RECORD_LENGTH = 0,
  RECORD_TYPE = 4,
  RECORD_HEADER_BYTES = 8,
  RECORD_ALIGNMENT = 8,
};

#define SLOTS_OFFSET 1024u
#define LANES_OFFSET 1536u
#define DATA_OFFSET 4096u
