// An SPSC byte ring in C over the layout of memlane's ring: the yardstick that the JavaScript ring is held against.
// It follows the same protocol step by step (sequentially consistent publish, a look at the other side's parked word after
// each, a cached opposite position that is read again only when exhausted), believes its peer as little and keeps the same
// statistics, so that a ratio compares languages and not algorithms. Positions are 32-bit byte counts, compared by difference; index = position & (capacity - 1).
#pragma once
#include "harness.h"
#include "layout.h"
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { PRODUCER_SLOT = 0, CONSUMER_SLOT = 1 };

typedef _Atomic int32_t word;

typedef struct {
  char *header;
  char *data; // capacity bytes, mapped twice back to back
  uint32_t capacity;
} mapping;

// One endpoint. The cached opposite position is `consumed` to a producer and `published` to a consumer.
typedef struct {
  char *data;
  uint32_t capacity, mask;
  uint32_t position, cached_opposite;
  word *own_position, *opposite_position;
  word *own_parked, *own_bell, *opposite_parked, *opposite_bell;
  double *statistics;
  uint32_t pending_records, pending_bytes; // claimed or handled since the last publish
  int32_t last_rung;
} endpoint;

static inline uint32_t record_bytes(uint32_t length) {
  return RECORD_HEADER_BYTES + ((length + RECORD_ALIGNMENT - 1) & ~(uint32_t)(RECORD_ALIGNMENT - 1));
}

static inline void put32(char *base, uint32_t offset, uint32_t value) { memcpy(base + offset, &value, sizeof value); }
static inline uint32_t get32(const char *base, uint32_t offset) {
  uint32_t value;
  memcpy(&value, base + offset, sizeof value);
  return value;
}
static inline word *word_at(char *base, uint32_t offset) { return (word *)(base + offset); }

static void *map_or_die(void *at, size_t length, int flags, int fd, off_t offset) {
  void *address = mmap(at, length, PROT_READ | PROT_WRITE, flags, fd, offset);
  if (address == MAP_FAILED) die("mmap");
  return address;
}

static void ring_create(const char *path, uint32_t capacity) {
  int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) die(path);
  const double length = (double)DATA_OFFSET + capacity;
  if (posix_fallocate(fd, 0, (off_t)length) != 0) die("posix_fallocate");
  char *header = map_or_die(NULL, DATA_OFFSET, MAP_SHARED, fd, 0);
  put32(header, SB_MAGIC0, MAGIC0);
  put32(header, SB_MAGIC1, MAGIC1);
  put32(header, SB_VERSION, LAYOUT_VERSION);
  put32(header, SB_KIND, KIND_RING);
  put32(header, SB_BYTE_ORDER, BYTE_ORDER_MARK);
  put32(header, SB_PAGE_SIZE, (uint32_t)sysconf(_SC_PAGESIZE));
  memcpy(header + SB_FILE_LENGTH, &length, sizeof length);
  put32(header, SB_SLOT_COUNT, 2);
  put32(header, SB_SLOTS_OFFSET, SLOTS_OFFSET);
  put32(header, RH_TOPOLOGY, 1);
  put32(header, RH_PRODUCERS, 1);
  put32(header, RH_CONSUMERS, 1);
  put32(header, RH_CAPACITY, capacity);
  put32(header, RH_LANES_OFFSET, LANES_OFFSET);
  put32(header, RH_DATA_OFFSET, DATA_OFFSET);
  atomic_store(word_at(header, SB_READY), READY_MARK);
  munmap(header, DATA_OFFSET);
  close(fd);
}

static mapping ring_map(const char *path) {
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) die(path);
  mapping m;
  m.header = map_or_die(NULL, DATA_OFFSET, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (get32(m.header, SB_MAGIC0) != MAGIC0 || atomic_load(word_at(m.header, SB_READY)) != READY_MARK) die("not a ready ring");
  m.capacity = get32(m.header, RH_CAPACITY);
  const off_t offset = get32(m.header, RH_DATA_OFFSET);
  m.data = mmap(NULL, 2 * (size_t)m.capacity, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (m.data == MAP_FAILED) die("mmap");
  for (int copy = 0; copy < 2; copy++)
    map_or_die(m.data + copy * (size_t)m.capacity, m.capacity, MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, offset);
  close(fd);
  return m;
}

static endpoint ring_attach(mapping m, int own_slot) {
  const uint32_t slots = get32(m.header, SB_SLOTS_OFFSET), lanes = get32(m.header, RH_LANES_OFFSET);
  char *own = m.header + slots + SLOT_STRIDE * (uint32_t)own_slot;
  char *opposite = m.header + slots + SLOT_STRIDE * (uint32_t)(1 - own_slot);
  const bool produces = own_slot == PRODUCER_SLOT;
  endpoint e = {.data = m.data, .capacity = m.capacity, .mask = m.capacity - 1};
  e.own_position = word_at(m.header, lanes + (produces ? LANE_PUBLISHED : LANE_CONSUMED));
  e.opposite_position = word_at(m.header, lanes + (produces ? LANE_CONSUMED : LANE_PUBLISHED));
  e.own_parked = word_at(own, SLOT_PARKED);
  e.own_bell = word_at(own, SLOT_BELL);
  e.opposite_parked = word_at(opposite, SLOT_PARKED);
  e.opposite_bell = word_at(opposite, SLOT_BELL);
  e.statistics = (double *)(own + SLOT_STATISTICS);
  e.position = (uint32_t)atomic_load(e.own_position);
  e.cached_opposite = (uint32_t)atomic_load(e.opposite_position);
  put32(own, SLOT_PID, (uint32_t)getpid());
  put32(own, SLOT_ROLE, produces ? 1 : 2);
  atomic_store(word_at(own, SLOT_STATE), 1);
  return e;
}

static long futex(word *address, int operation, int32_t value, const struct timespec *timeout) {
  return syscall(SYS_futex, address, operation, value, timeout, NULL, 0);
}

static void ring_bell(endpoint *e) {
  atomic_fetch_add(e->opposite_bell, 1);
  futex(e->opposite_bell, FUTEX_WAKE, INT_MAX, NULL);
}

// pairs with: the waiter's store of its parked word, then its second look at this position (both seq-cst).
// without it: the waiter misses the publish, the publisher misses the parked word, and nobody rings.
static inline void publish(endpoint *e) {
  atomic_store(e->own_position, (int32_t)e->position);
  e->statistics[STAT_MESSAGES] += e->pending_records;
  e->statistics[STAT_BYTES] += e->pending_bytes;
  e->statistics[STAT_BATCHES] += 1;
  e->pending_records = e->pending_bytes = 0;
  const int32_t parked = atomic_load(e->opposite_parked);
  if (__builtin_expect((parked & PARKED_ASLEEP) && parked != e->last_rung, 0)) {
    e->last_rung = parked;
    e->statistics[STAT_RINGS] += 1;
    ring_bell(e);
  }
}

static inline bool has_room(endpoint *e, uint32_t need) {
  if (__builtin_expect(e->position + need - e->cached_opposite <= e->capacity, 1)) return true;
  e->cached_opposite = (uint32_t)atomic_load(e->opposite_position);
  if (e->position - e->cached_opposite > e->capacity) die("the consumer's position");
  return e->position + need - e->cached_opposite <= e->capacity;
}

// The claimed payload, or NULL when the ring is full.
static inline char *try_claim(endpoint *e, uint32_t length, uint32_t type) {
  if (length > e->capacity - RECORD_HEADER_BYTES) die("message too long");
  const uint32_t need = record_bytes(length);
  if (!has_room(e, need)) {
    e->statistics[STAT_REFUSALS] += 1;
    return NULL;
  }
  char *record = e->data + (e->position & e->mask);
  put32(record, RECORD_LENGTH, ~length);
  put32(record, RECORD_TYPE, type);
  e->position += need;
  e->pending_records++;
  e->pending_bytes += length;
  return record + RECORD_HEADER_BYTES;
}

static inline bool has_records(endpoint *e) {
  if (e->position != e->cached_opposite) return true;
  e->cached_opposite = (uint32_t)atomic_load(e->opposite_position);
  if (e->cached_opposite - e->position > e->capacity) die("the producer's position");
  return e->position != e->cached_opposite;
}

// The payload of the next record of those published; its length goes to *length.
static inline const char *take_record(endpoint *e, uint32_t *length) {
  const char *record = e->data + (e->position & e->mask);
  *length = ~get32(record, RECORD_LENGTH);
  const uint32_t bytes = record_bytes(*length);
  if (*length > e->capacity || bytes > e->cached_opposite - e->position) die("a record's length");
  e->position += bytes;
  e->pending_records++;
  e->pending_bytes += *length;
  return record + RECORD_HEADER_BYTES;
}

// Sleeps until the producer publishes: the consumer's side of the parking protocol, futex flavour.
static inline void park_until_records(endpoint *e) {
  const struct timespec slice = {.tv_nsec = 100 * 1000 * 1000};
  while (!has_records(e)) {
    const int32_t bell = atomic_load(e->own_bell);
    const uint32_t asleep = ((uint32_t)atomic_load(e->own_parked) & ~(PARKED_EPISODE - 1u)) + PARKED_EPISODE + PARKED_ASLEEP + PARKED_THREAD;
    atomic_store(e->own_parked, (int32_t)asleep);
    if (!has_records(e)) futex(e->own_bell, FUTEX_WAIT, bell, &slice);
    atomic_store(e->own_parked, (int32_t)(asleep & ~(uint32_t)PARKED_ASLEEP));
  }
}
