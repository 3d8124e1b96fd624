// Reads and writes memlane rings, of every topology, from C. Written from docs/layouts.md alone, layout version 1; the words
// are those of that page, and of docs/glossary.md.
//
// One file: include it where it is needed, and once with MEMLANE_RING_IMPLEMENTATION defined. Linux on a little-endian
// machine whose atomic 32-bit words need no lock; C11 with the GNU extensions (-std=gnu11); gcc or clang; no library.
//
// A ring, and each producer and consumer of it, is used by one thread. Several threads open the ring several times.
// Functions return 0 or more when they have done something, and a negative number when not: -errno, or one of memlane_error;
// memlane_error_name says which. Nothing is printed, and no signal is touched: whoever links this ignores SIGPIPE, which a write to
// the bell of somebody who has just died raises. A file that somebody cuts is a SIGBUS, as with any mapping.
#ifndef MEMLANE_RING_H
#define MEMLANE_RING_H

#ifndef _GNU_SOURCE
#error "define _GNU_SOURCE: F_OFD_SETLK, O_NOFOLLOW and fallocate are not in POSIX"
#endif
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the files are little-endian");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && sizeof(_Atomic int32_t) == 4, "a lock would be this process's own");
_Static_assert(sizeof(off_t) == 8, "locks lie at 2^62: -D_FILE_OFFSET_BITS=64");

enum { MEMLANE_VERSION = 1, MEMLANE_KIND_RING = 2, MEMLANE_HEAD_BYTES = 640 };
#define MEMLANE_RING_SIGNATURE 0x1f8e8d7eu
#define MEMLANE_READY 0x59444552

// ---- The structures of docs/layouts.md. test/src/interop compares every offset with the descriptors. ---------------------

typedef _Atomic int32_t memlane_word; // stored by one side and loaded by another

typedef struct {
  uint32_t magic_low, magic_high, version, kind;
  uint32_t signature, byte_order, page_size, unused28;
  uint8_t file_id[16];
  double created_at_ms, file_length;
  uint32_t slot_count, slots_offset;
  uint8_t unused72[56];
  memlane_word epoch, ready;
  uint8_t unused136[376];
} memlane_superblock;

typedef struct {
  memlane_word state, generation, parked, bell;
  memlane_word pid, role;
  double attached_at_ms;
  uint8_t unused32[96];
  double messages, bytes, batches, refusals, parks, rings, high_water_bytes;
  uint8_t unused184[72];
} memlane_slot;

typedef struct {
  uint32_t topology, producers, consumers, capacity_bytes;
  uint32_t lanes_offset, data_offset, start_position, flags;
  uint8_t stream_id[16];
  uint32_t max_lag_bytes, names_offset, changes_offset, sleepers_offset;
  uint32_t max_level;
  uint8_t unused68[60];
} memlane_ring_header;

typedef struct {
  memlane_word name_bytes, retention;
  double kept_bytes;
  char name[64];
  uint8_t unused80[48];
} memlane_named_cursor;

typedef struct {
  memlane_word published, tail, not_published, turn;
  memlane_word tail0, records0, tail1, records1;
  uint8_t unused32[96];
  memlane_word ended, reserved, segment, begin0, level0, begin1, level1;
  uint8_t unused156[100];
} memlane_lane;

typedef struct {
  memlane_word consumed, not_consumed, state;
  uint8_t unused12[116];
} memlane_cursor;

typedef struct {
  int32_t not_length, type;
} memlane_record;

enum memlane_topology { MEMLANE_SPSC = 1, MEMLANE_MPSC, MEMLANE_BROADCAST, MEMLANE_BUS };
enum { MEMLANE_CHECKSUMS = 1, MEMLANE_OVERWRITE = 2 }; // bits of `flags`

typedef struct {
  uint32_t slot_count, slots_offset, changes_offset, sleepers_offset, names_offset, lanes_offset, lane_bytes, data_offset;
  uint64_t extent_bytes, file_length;
} memlane_geometry;

memlane_geometry memlane_geometry_of(uint32_t topology, uint32_t producers, uint32_t consumers, uint32_t capacity_bytes,
                                     uint32_t max_level, uint32_t page_size);

// ---- What users call -------------------------------------------------------------------------------------------------------

// Beyond every errno.
enum memlane_error {
  MEMLANE_NOT_MEMLANE = -5000, // no ring, or one that was never finished
  MEMLANE_OTHER_VERSION,
  MEMLANE_OTHER_KIND,
  MEMLANE_OTHER_SIGNATURE,
  MEMLANE_TRUNCATED,
  MEMLANE_CORRUPT, // `field` of the file says what
  MEMLANE_OWNER,
  MEMLANE_PERMISSIVE,
  MEMLANE_NOT_A_FILE,
  MEMLANE_UNSEALED,
  MEMLANE_DELETED,
  MEMLANE_BUSY,
  MEMLANE_TOO_LONG,
  MEMLANE_ENDED,
  MEMLANE_EVICTED, // passed over: further behind than the ring allows
  MEMLANE_LOST,    // somebody has found the contents damaged
};

const char *memlane_error_name(int error);

// What all kinds of file have in common: a superblock and slots.
typedef struct {
  int fd; // holds no lock: a description does not see its own, and through this one it is asked who is alive
  bool anonymous;
  uid_t owner;
  char folder[4096]; // of the bells
  char file_id[33];
  uint8_t *head; // what is mapped from the beginning
  size_t head_bytes;
  uint32_t slot_count, slots_offset;
  uint32_t sleepers_offset; // of the mask; 0 where there is none
  const char *field;        // of the last MEMLANE_CORRUPT
} memlane_file;

// Whether the slot has a living owner. One system call.
bool memlane_is_alive(const memlane_file *file, uint32_t slot);

typedef struct {
  memlane_file file;
  uint8_t **data; // by lane and level, each twice back to back; NULL until it is needed
  uint32_t topology, producers, consumers, capacity_bytes, flags, max_lag_bytes, max_level;
  memlane_geometry at;
} memlane_ring;

// Opens a ring by its path; by /proc/PID/fd/N when it has no name.
int memlane_open(memlane_ring *ring, const char *path);
void memlane_close(memlane_ring *ring);

// Where the records of a lane are: in a ring whose lanes cannot grow there is but one.
typedef struct {
  uint8_t *data; // twice back to back
  uint32_t capacity;
  uint32_t begin; // records from there on are in it
} memlane_segment;

// The write end of somebody's bell.
typedef struct {
  int fd;
  int32_t generation, rung;
} memlane_rope;

// The owner of a slot.
typedef struct {
  memlane_file *file;
  uint32_t slot;
  int fd; // a description of its own, which has the lock
  int bell, life;
  memlane_rope *ropes; // by slot
} memlane_member;

typedef struct {
  memlane_member member;
  memlane_ring *ring;
  memlane_lane *lane;
  memlane_segment segment, older; // the older one has data while it is in use
  uint32_t published, claimed;
  uint32_t limit; // that no claim may pass
  uint32_t tail, tail_records;
  uint32_t believed; // the last `consumed` that was confirmed; with broadcast and bus, the oldest that somebody needs
  uint32_t claimed_records;
  uint64_t claimed_bytes;
  bool ended;
} memlane_producer;

typedef enum { MEMLANE_SPIN, MEMLANE_PARK } memlane_strategy;

// Takes a producer's slot.
int memlane_produce(memlane_producer *producer, memlane_ring *ring);
// Claims a record; 1 with the address of its payload, 8-byte aligned and contiguous, or 0 when the ring is full.
int memlane_claim(memlane_producer *producer, uint32_t length, int32_t type, void **payload);
// Publishes everything claimed since the last commit, and wakes who sleeps.
int memlane_commit(memlane_producer *producer);
// Forgets everything claimed since the last commit.
void memlane_abort(memlane_producer *producer);
// Waits until a record of that length would find room: 1, or 0 when the time is over. Commit first. -1 ms: for ever.
int memlane_wait_for_room(memlane_producer *producer, uint32_t length, memlane_strategy strategy, int timeout_ms);
// Goes on in memory of another capacity, larger or smaller: the ring's times 2^level.
int memlane_resize(memlane_producer *producer, uint32_t level);
// Says that no more will come.
int memlane_end(memlane_producer *producer);
void memlane_leave_producer(memlane_producer *producer);

typedef struct {
  bool from_oldest; // otherwise at what comes from now on; with overwrite likewise after having been overtaken
  const char *name; // at most 64 bytes; NULL for none
  enum { MEMLANE_KEEP_NOTHING, MEMLANE_KEEP_BYTES, MEMLANE_KEEP_EVERYTHING } retention;
  double kept_bytes;
} memlane_consumer_options;

// A record that has been read. What it points to is good until the next call for this consumer.
typedef struct {
  const uint8_t *payload;
  uint32_t length, lane;
  int32_t type;
} memlane_message;

// How far a consumer is in one lane.
typedef struct {
  bool is_read; // has, or had, a producer
  memlane_segment segment; // valid once it is read
  uint32_t position, published, consumed;
  uint32_t records; // before the position, since the lane began
  int32_t state;    // what the cursor's says while it has not been passed over
} memlane_reader;

typedef struct {
  memlane_member member;
  memlane_ring *ring;
  uint32_t consumer, turn;
  memlane_reader *readers; // by lane
  int32_t changes;
  bool has_looked;
  bool from_oldest, is_kept;
  uint8_t *copy; // where records are read that may be overwritten meanwhile, or have to be checked; otherwise NULL
  uint64_t lost_records, lost_bytes; // overwritten before they were read
  uint64_t messages, bytes; // read since the last release
} memlane_consumer;

// Takes a consumer's slot. `options` may be NULL, and must be for spsc and mpsc.
int memlane_consume(memlane_consumer *consumer, memlane_ring *ring, const memlane_consumer_options *options);
// The next record of the next lane that has one: 1, or 0 when there is none.
int memlane_next(memlane_consumer *consumer, memlane_message *message);
// Gives the space of everything read so far back. Also before waiting.
int memlane_release(memlane_consumer *consumer);
// Waits until there is a record, or the end: 1, or 0 when the time is over. Release first.
int memlane_wait(memlane_consumer *consumer, memlane_strategy strategy, int timeout_ms);
// Whether no more will come, and everything has been read.
int memlane_is_ended(memlane_consumer *consumer);
// Gives lanes back whose producers are gone and which everybody has read; how many. Call it now and then when idle.
int memlane_tidy(memlane_consumer *consumer);
void memlane_leave_consumer(memlane_consumer *consumer);

#endif

#ifdef MEMLANE_RING_IMPLEMENTATION
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { ML_ASLEEP = 2, ML_THREAD = 1, ML_EPISODE = 4 };               // parked
enum { ML_ABSENT = 0, ML_PRESENT = 1, ML_PASSED_OVER = 2, ML_STANDING = 3 }; // the low bits of a cursor's state
enum { ML_SLICE_MS = 100, ML_PATIENCE_MS = 10000, ML_LOOKS = 64, ML_HEADER = 8, ML_GENERATIONS = 1 << 18 };
enum { ML_UNUSED = -1, ML_MOVED_ON = 1 }; // a level; the notLength of a mark
#define ML_ATTACH ((off_t)1 << 62)

static int32_t ml_distance(uint32_t later, uint32_t earlier) { return (int32_t)(later - earlier); }
static uint64_t ml_up(uint64_t n, uint64_t unit) { return (n + unit - 1) / unit * unit; }
static bool ml_has_many_producers(const memlane_ring *r) { return r->topology == MEMLANE_MPSC || r->topology == MEMLANE_BUS; }
static bool ml_is_broadcast(const memlane_ring *r) { return r->topology >= MEMLANE_BROADCAST; }
static uint32_t ml_trailer(const memlane_ring *r) { return r->flags & MEMLANE_CHECKSUMS ? 4 : 0; }

static memlane_superblock *ml_superblock(const memlane_file *f) { return (memlane_superblock *)f->head; }
static memlane_slot *ml_slot(const memlane_file *f, uint32_t slot) {
  return (memlane_slot *)(f->head + f->slots_offset) + slot;
}
static memlane_word *ml_sleepers(const memlane_file *f) { return (memlane_word *)(f->head + f->sleepers_offset); }
static memlane_lane *ml_lane(const memlane_ring *r, uint32_t lane) {
  return (memlane_lane *)(r->file.head + r->at.lanes_offset + (size_t)lane * r->at.lane_bytes);
}
static memlane_cursor *ml_cursor(const memlane_ring *r, uint32_t lane, uint32_t consumer) {
  return (memlane_cursor *)(ml_lane(r, lane) + 1) + consumer;
}
static memlane_named_cursor *ml_name(const memlane_ring *r, uint32_t consumer) {
  return (memlane_named_cursor *)(r->file.head + r->at.names_offset) + consumer;
}
static memlane_word *ml_changes(const memlane_ring *r) { return (memlane_word *)(r->file.head + r->at.changes_offset); }

static int ml_corrupt_file(memlane_file *f, const char *field) {
  f->field = field;
  return MEMLANE_CORRUPT;
}
static int ml_corrupt(memlane_ring *r, const char *field) { return ml_corrupt_file(&r->file, field); }

static int64_t ml_now_ms(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const char *memlane_error_name(int error) {
  static const char *const names[] = {
      "NOT_MEMLANE", "VERSION",  "KIND",    "SIGNATURE", "TRUNCATED", "CORRUPT",          "OWNER", "PERMISSIVE",
      "NOT_A_FILE",  "UNSEALED", "DELETED", "BUSY",      "EMSGSIZE",  "ERR_MEMLANE_ENDED", "EVICTED", "LOST",
  };
  if (error >= MEMLANE_NOT_MEMLANE && error <= MEMLANE_LOST) return names[error - MEMLANE_NOT_MEMLANE];
  return strerror(-error);
}

// ---- Opening ---------------------------------------------------------------------------------------------------------------

memlane_geometry memlane_geometry_of(uint32_t topology, uint32_t producers, uint32_t consumers, uint32_t capacity_bytes,
                                     uint32_t max_level, uint32_t page_size) {
  const bool broadcast = topology >= MEMLANE_BROADCAST;
  memlane_geometry at = {.slot_count = producers + consumers, .slots_offset = 1024};
  at.changes_offset = at.slots_offset + (uint32_t)sizeof(memlane_slot) * at.slot_count;
  const uint32_t behind = at.changes_offset + 128;
  if (broadcast) {
    at.sleepers_offset = behind;
    at.names_offset = behind + (uint32_t)ml_up(ml_up(at.slot_count, 32) / 8, 128);
  }
  at.lanes_offset = broadcast ? at.names_offset + (uint32_t)sizeof(memlane_named_cursor) * consumers : behind;
  at.lane_bytes = (uint32_t)(sizeof(memlane_lane) + sizeof(memlane_cursor) * consumers);
  at.data_offset = (uint32_t)ml_up(at.lanes_offset + producers * at.lane_bytes, page_size);
  at.extent_bytes = (uint64_t)capacity_bytes * ((1u << (max_level + 1)) - 1);
  at.file_length = at.data_offset + producers * at.extent_bytes;
  return at;
}

// Checks what all kinds of file begin with, in a copy, which nobody can change any more.
static int ml_check_superblock(memlane_file *f, const memlane_superblock *s, ssize_t got, uint32_t kind, uint32_t signature) {
  if (got < 8 || s->magic_low != 0x4c4d454d || s->magic_high != 0x00454e41) return MEMLANE_NOT_MEMLANE;
  if (got < 12 || s->version != MEMLANE_VERSION) return MEMLANE_OTHER_VERSION;
  if (got < MEMLANE_HEAD_BYTES) return MEMLANE_TRUNCATED;
  if (s->byte_order != 0x01020304) return ml_corrupt_file(f, "byteOrder");
  if (s->kind != kind) return MEMLANE_OTHER_KIND;
  if (s->signature != signature) return MEMLANE_OTHER_SIGNATURE;
  if (atomic_load(&s->ready) != MEMLANE_READY) return MEMLANE_NOT_MEMLANE;
  struct stat status;
  if (fstat(f->fd, &status) < 0) return -errno;
  // First whether it can be a length at all: to convert another one is undefined.
  const bool is_length = s->file_length >= MEMLANE_HEAD_BYTES && s->file_length <= 9007199254740991.0;
  if (!is_length || (double)(int64_t)s->file_length != s->file_length) return ml_corrupt_file(f, "fileLength");
  if (status.st_size < (int64_t)s->file_length) return MEMLANE_TRUNCATED;
  if (status.st_size > (int64_t)s->file_length) return ml_corrupt_file(f, "fileLength");
  if (s->page_size != (uint32_t)sysconf(_SC_PAGESIZE)) return ml_corrupt_file(f, "pageSize");
  f->slot_count = s->slot_count;
  f->slots_offset = s->slots_offset;
  for (int i = 0; i < 16; i++) sprintf(f->file_id + 2 * i, "%02x", s->file_id[i]);
  return 0;
}

static int ml_check_ring(memlane_ring *r, const memlane_superblock *s, const memlane_ring_header *h) {
  if (h->topology < MEMLANE_SPSC || h->topology > MEMLANE_BUS) return ml_corrupt(r, "topology");
  r->topology = h->topology;
  const uint32_t most_producers = ml_has_many_producers(r) ? 1024 : 1, most_consumers = ml_is_broadcast(r) ? 1024 : 1;
  if (h->producers < 1 || h->producers > most_producers) return ml_corrupt(r, "producers");
  if (h->consumers < 1 || h->consumers > most_consumers || h->producers * h->consumers > 65536)
    return ml_corrupt(r, "consumers");
  const uint32_t capacity = h->capacity_bytes;
  if (capacity < 4096 || capacity < s->page_size || capacity > 1u << 30 || (capacity & (capacity - 1)))
    return ml_corrupt(r, "capacityBytes");
  const bool may_grow = h->flags == 0 && h->max_lag_bytes == 0;
  if (h->max_level > 18 || (uint64_t)capacity << h->max_level > 1u << 30 || (h->max_level > 0 && !may_grow))
    return ml_corrupt(r, "maxLevel");
  r->at = memlane_geometry_of(h->topology, h->producers, h->consumers, capacity, h->max_level, s->page_size);
  if (s->slot_count != r->at.slot_count) return ml_corrupt(r, "slotCount");
  if (s->slots_offset != r->at.slots_offset) return ml_corrupt(r, "slotsOffset");
  if (h->lanes_offset != r->at.lanes_offset) return ml_corrupt(r, "lanesOffset");
  if (h->data_offset != r->at.data_offset) return ml_corrupt(r, "dataOffset");
  if (h->names_offset != r->at.names_offset) return ml_corrupt(r, "namesOffset");
  if (h->changes_offset != r->at.changes_offset) return ml_corrupt(r, "changesOffset");
  if (h->sleepers_offset != r->at.sleepers_offset) return ml_corrupt(r, "sleepersOffset");
  if (s->file_length != (double)r->at.file_length) return ml_corrupt(r, "fileLength");
  const bool overwrites = h->flags & MEMLANE_OVERWRITE;
  if (h->flags & ~(uint32_t)(MEMLANE_CHECKSUMS | MEMLANE_OVERWRITE) || (overwrites && !ml_is_broadcast(r)))
    return ml_corrupt(r, "flags");
  if (h->max_lag_bytes > (ml_is_broadcast(r) && !overwrites ? capacity : 0)) return ml_corrupt(r, "maxLagBytes");
  r->producers = h->producers;
  r->consumers = h->consumers;
  r->capacity_bytes = capacity;
  r->flags = h->flags;
  r->max_lag_bytes = h->max_lag_bytes;
  r->max_level = h->max_level;
  r->file.sleepers_offset = h->sleepers_offset;
  return 0;
}

static int ml_trust(memlane_file *f) {
  struct stat status;
  if (fstat(f->fd, &status) < 0) return -errno;
  f->owner = status.st_uid;
  if (!S_ISREG(status.st_mode)) return MEMLANE_NOT_A_FILE;
  if (status.st_uid != getuid() && status.st_uid != 0) return MEMLANE_OWNER;
  if (!f->anonymous && status.st_mode & S_IWOTH) return MEMLANE_PERMISSIVE; // a memfd has all bits, and no path
  if (f->anonymous && !(fcntl(f->fd, F_GET_SEALS) & F_SEAL_SHRINK)) return MEMLANE_UNSEALED;
  return 0;
}

// Where the bells are.
static int ml_find_folder(memlane_file *f, const char *path) {
  const char *slash = strrchr(path, '/');
  const char *chosen = getenv("MEMLANE_DIR");
  int length;
  if (f->anonymous && chosen) length = snprintf(f->folder, sizeof f->folder, "%s", chosen);
  else if (f->anonymous) length = snprintf(f->folder, sizeof f->folder, "/dev/shm/memlane-%u", (unsigned)getuid());
  else if (slash) length = snprintf(f->folder, sizeof f->folder, "%.*s", (int)(slash - path) + (slash == path), path);
  else length = snprintf(f->folder, sizeof f->folder, ".");
  return length < 3900 ? 0 : -ENAMETOOLONG;
}

// Opens a file with suspicion and reads its head; how much of it there was.
static ssize_t ml_open_file(memlane_file *f, const char *path, uint8_t head[MEMLANE_HEAD_BYTES]) {
  memset(f, 0, sizeof *f);
  f->anonymous = strncmp(path, "/proc/", 6) == 0;
  // O_NONBLOCK: to open a FIFO would wait for its other end. A path in /proc is a link, of the kernel's.
  f->fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | (f->anonymous ? 0 : O_NOFOLLOW));
  if (f->fd < 0) return -errno;
  int result = ml_trust(f);
  if (!result) result = ml_find_folder(f, path);
  const ssize_t got = result ? 0 : pread(f->fd, head, MEMLANE_HEAD_BYTES, 0);
  return result ? result : got < 0 ? -errno : got;
}

static int ml_map_head(memlane_file *f, size_t bytes) {
  f->head = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
  f->head_bytes = bytes;
  if (f->head != MAP_FAILED) return 0;
  f->head = NULL;
  return -errno;
}

static void ml_close_file(memlane_file *f) {
  if (f->head) munmap(f->head, f->head_bytes);
  if (f->fd >= 0) close(f->fd);
  f->head = NULL;
  f->fd = -1;
}

int memlane_open(memlane_ring *r, const char *path) {
  struct {
    memlane_superblock superblock;
    memlane_ring_header header;
  } head = {0};
  memset(r, 0, sizeof *r);
  const ssize_t got = ml_open_file(&r->file, path, (uint8_t *)&head);
  int result = got < 0 ? (int)got : 0;
  if (!result) result = ml_check_superblock(&r->file, &head.superblock, got, MEMLANE_KIND_RING, MEMLANE_RING_SIGNATURE);
  if (!result) result = ml_check_ring(r, &head.superblock, &head.header);
  if (!result) result = ml_map_head(&r->file, r->at.data_offset);
  if (!result && !(r->data = calloc(r->producers * (r->max_level + 1), sizeof *r->data))) result = -ENOMEM;
  if (result) memlane_close(r);
  return result;
}

void memlane_close(memlane_ring *r) {
  const uint32_t levels = r->max_level + 1;
  for (uint32_t i = 0; r->data && i < r->producers * levels; i++)
    if (r->data[i]) munmap(r->data[i], 2 * ((size_t)r->capacity_bytes << i % levels));
  free(r->data);
  r->data = NULL;
  ml_close_file(&r->file);
}

static off_t ml_segment_offset(const memlane_ring *r, uint32_t lane, uint32_t level) {
  return (off_t)(r->at.data_offset + lane * r->at.extent_bytes + (uint64_t)r->capacity_bytes * ((1u << level) - 1));
}

// Maps the data of one level of a lane, twice, so that every record is contiguous.
static int ml_map(memlane_ring *r, uint32_t lane, uint32_t level, memlane_segment *segment) {
  const size_t capacity = (size_t)r->capacity_bytes << level;
  uint8_t **data = &r->data[lane * (r->max_level + 1) + level];
  segment->capacity = (uint32_t)capacity;
  if (!*data) {
    uint8_t *at = mmap(NULL, 2 * capacity, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return -errno;
    for (int copy = 0; copy < 2; copy++)
      if (mmap(at + copy * capacity, capacity, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, r->file.fd,
               ml_segment_offset(r, lane, level)) == MAP_FAILED) {
        const int error = errno;
        munmap(at, 2 * capacity);
        return -error;
      }
    *data = at;
  }
  segment->data = *data;
  return 0;
}

// The pair that describes one of a lane's two segments.
static memlane_word *ml_begin_word(memlane_lane *lane, int which) { return which ? &lane->begin1 : &lane->begin0; }
static memlane_word *ml_level_word(memlane_lane *lane, int which) { return which ? &lane->level1 : &lane->level0; }
static int ml_newer(memlane_lane *lane) { return atomic_load(&lane->segment) & 1; }

// Maps the segment that a pair describes.
static int ml_map_segment(memlane_ring *r, uint32_t lane_index, int which, memlane_segment *segment) {
  memlane_lane *lane = ml_lane(r, lane_index);
  const uint32_t level = (uint32_t)atomic_load(ml_level_word(lane, which));
  if (level > r->max_level) return ml_corrupt(r, which ? "level1" : "level0");
  segment->begin = (uint32_t)atomic_load(ml_begin_word(lane, which));
  return ml_map(r, lane_index, level, segment);
}

// Maps the segment that has the record at a position.
static int ml_find_segment(memlane_ring *r, uint32_t lane_index, uint32_t position, memlane_segment *segment) {
  memlane_lane *lane = ml_lane(r, lane_index);
  if (r->max_level == 0) return ml_map(r, lane_index, 0, segment);
  const int newer = ml_newer(lane);
  // With the older one in use it is not far from where the newer one begins; otherwise it may be 2^31 bytes.
  const bool is_before = atomic_load(ml_level_word(lane, 1 - newer)) != ML_UNUSED &&
                         ml_distance(position, (uint32_t)atomic_load(ml_begin_word(lane, newer))) < 0;
  return ml_map_segment(r, lane_index, is_before ? 1 - newer : newer, segment);
}

// Maps what a producer needs: the newer segment, and the older one, if it is in use.
static int ml_find_segments(memlane_ring *r, uint32_t lane_index, memlane_segment *newer, memlane_segment *older) {
  memlane_lane *lane = ml_lane(r, lane_index);
  *older = (memlane_segment){0};
  if (r->max_level == 0) return ml_map(r, lane_index, 0, newer);
  const int which = ml_newer(lane);
  const int result = ml_map_segment(r, lane_index, which, newer);
  if (result || atomic_load(ml_level_word(lane, 1 - which)) == ML_UNUSED) return result;
  return ml_map_segment(r, lane_index, 1 - which, older);
}

static int ml_reserve(const memlane_ring *r, uint32_t lane, uint32_t level) {
  const off_t bytes = (off_t)r->capacity_bytes << level;
  // A file system that cannot reserve is as good as it gets.
  return fallocate(r->file.fd, 0, ml_segment_offset(r, lane, level), bytes) == 0 || errno == EOPNOTSUPP ? 0 : -errno;
}
static void ml_punch(const memlane_ring *r, uint32_t lane, uint32_t level) {
  const off_t bytes = (off_t)r->capacity_bytes << level;
  if (fallocate(r->file.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, ml_segment_offset(r, lane, level), bytes) < 0)
    return; // a file system that cannot keeps the space
}

// ---- Slots, locks and bells ------------------------------------------------------------------------------------------------

static int ml_lock(int fd, int command, int type, off_t byte) {
  struct flock lock = {.l_type = (short)type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
  if (fcntl(fd, command, &lock) < 0) return errno == EAGAIN || errno == EACCES ? MEMLANE_BUSY : -errno;
  return lock.l_type;
}
static int ml_try_lock(int fd, off_t byte) {
  const int result = ml_lock(fd, F_OFD_SETLK, F_WRLCK, byte);
  return result < 0 ? result : 0;
}
static off_t ml_slot_byte(uint32_t slot) { return ML_ATTACH + 1024 + slot; }

bool memlane_is_alive(const memlane_file *f, uint32_t slot) {
  // As one who wants to read: a reader's lock is no sign of life.
  return ml_lock(f->fd, F_OFD_GETLK, F_RDLCK, ml_slot_byte(slot)) == F_WRLCK;
}

enum { ML_PATH = 4096 + 128 };

static void ml_bell_path(const memlane_file *f, uint32_t slot, int32_t generation, const char *suffix, char path[ML_PATH]) {
  snprintf(path, ML_PATH, "%s/.memlane-bell-%s.%u.%d%s", f->folder, f->file_id, slot, generation, suffix);
}

static void ml_remove_bell(const memlane_file *f, uint32_t slot, int32_t generation) {
  char path[ML_PATH];
  ml_bell_path(f, slot, generation, "", path);
  unlink(path);
  ml_bell_path(f, slot, generation, ".life", path);
  unlink(path);
}

// Makes a FIFO, opens it, and only then gives it its name: one that nobody holds open is a dead one's.
static int ml_make_fifo(const memlane_file *f, uint32_t slot, int32_t generation, const char *suffix) {
  char path[ML_PATH], unfinished[ML_PATH + 8];
  ml_bell_path(f, slot, generation, suffix, path);
  snprintf(unfinished, sizeof unfinished, "%s.new", path);
  unlink(unfinished);
  if (mkfifo(unfinished, 0600) < 0) return -errno;
  int fd = f->owner == geteuid() || lchown(unfinished, f->owner, (gid_t)-1) == 0 ? 0 : -errno;
  // For writing, too: or the last peer that closes it would make it report its end.
  if (fd == 0) fd = open(unfinished, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) fd = fd == -1 ? -errno : fd;
  else if (rename(unfinished, path) < 0) {
    const int error = errno;
    close(fd);
    fd = -error;
  }
  if (fd < 0) unlink(unfinished);
  return fd;
}

// The write end of the bell of whoever owns the slot now; -ENOENT when nobody does.
static int ml_grasp(memlane_member *m, uint32_t slot) {
  memlane_rope *rope = &m->ropes[slot];
  const int32_t generation = atomic_load(&ml_slot(m->file, slot)->generation);
  if (rope->fd >= 0 && rope->generation == generation) return rope->fd;
  if (rope->fd >= 0) close(rope->fd);
  rope->fd = -1;
  char path[ML_PATH];
  ml_bell_path(m->file, slot, generation, "", path);
  const int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return errno == ENXIO ? -ENOENT : -errno; // without a reader
  struct stat status;
  if (fstat(fd, &status) < 0 || !S_ISFIFO(status.st_mode) || (status.st_uid != m->file->owner && status.st_uid != 0)) {
    close(fd);
    return ml_corrupt_file(m->file, "bell");
  }
  rope->fd = fd;
  rope->generation = generation;
  return fd;
}

static long ml_futex(memlane_word *word, int operation, uint32_t value, const struct timespec *timeout) {
  return syscall(SYS_futex, word, operation, value, timeout, NULL, 0); // not private: the word is in a file
}

// Rings a slot whose owner sleeps, once for each of its sleeps.
static int ml_wake(memlane_member *m, uint32_t slot) {
  memlane_slot *s = ml_slot(m->file, slot);
  // pairs with: the store of parked in ml_wait. without it: the last record before a sleep wakes nobody.
  const int32_t parked = atomic_load(&s->parked);
  if (!(parked & ML_ASLEEP) || parked == m->ropes[slot].rung) return 0;
  int bell = -ENOENT;
  // First, for it may fail: a sleep that counted as rung by then would never be rung.
  if (!(parked & ML_THREAD)) bell = ml_grasp(m, slot);
  if (bell < 0 && bell != -ENOENT) return bell;
  m->ropes[slot].rung = parked;
  // pairs with: the load of bell in ml_wait. without it: the futex sleeps over a ring that came just before it.
  atomic_fetch_add(&s->bell, 1);
  if (parked & ML_THREAD) ml_futex(&s->bell, FUTEX_WAKE, 1, NULL);
  else if (bell >= 0 && write(bell, "\1", 1) < 0 && errno != EAGAIN && errno != EPIPE) return -errno;
  ml_slot(m->file, m->slot)->rings += 1;
  return 0;
}

// Rings those who sleep in a row of slots. Called after each store that they may wait for.
static int ml_wake_all(memlane_member *m, uint32_t first, uint32_t count) {
  const bool masked = m->file->sleepers_offset != 0 && count > 1;
  int result = 0;
  for (uint32_t slot = first; slot < first + count; slot++) {
    if (masked) {
      // pairs with: the setting of the bit in ml_wait. without it: as in ml_wake.
      const uint32_t bits = (uint32_t)atomic_load(&ml_sleepers(m->file)[slot / 32]) >> slot % 32;
      if (bits == 0) slot |= 31; // and on to the next word
      else slot += (uint32_t)__builtin_ctz(bits);
      if (bits == 0 || slot >= first + count) continue;
    }
    if (slot == m->slot) continue;
    const int woken = ml_wake(m, slot);
    if (woken < 0) result = woken;
  }
  return result;
}

static void ml_sleeper_bit(const memlane_file *f, uint32_t slot, bool asleep) {
  if (f->sleepers_offset == 0) return;
  memlane_word *word = &ml_sleepers(f)[slot / 32];
  const int32_t bit = (int32_t)(1u << slot % 32);
  if (asleep) atomic_fetch_or(word, bit);
  else atomic_fetch_and(word, ~bit);
}

static void ml_be_awake(const memlane_file *f, uint32_t slot) {
  memlane_word *parked = &ml_slot(f, slot)->parked;
  ml_sleeper_bit(f, slot, false);
  atomic_store(parked, atomic_load(parked) & ~ML_ASLEEP);
}

// Everything of the slot that a dead owner may have left. Under the locks of attaching and of the slot.
static void ml_recover_slot(const memlane_file *f, uint32_t slot) {
  memlane_slot *s = ml_slot(f, slot);
  ml_remove_bell(f, slot, atomic_load(&s->generation));
  ml_be_awake(f, slot);
  atomic_store(&s->state, 0);
}

// A description of its own, with the attach lock.
static int ml_begin_attaching(const memlane_file *f) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", f->fd);
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return -errno;
  const int64_t deadline = ml_now_ms(CLOCK_MONOTONIC) + ML_PATIENCE_MS;
  int result;
  while ((result = ml_try_lock(fd, ML_ATTACH)) == MEMLANE_BUSY && ml_now_ms(CLOCK_MONOTONIC) < deadline)
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  struct stat status;
  if (!result && fstat(fd, &status) < 0) result = -errno;
  // With the lock: whoever deletes the file has it too, and sees that nobody is attached.
  if (!result && !f->anonymous && status.st_nlink == 0) result = MEMLANE_DELETED;
  if (result) close(fd);
  return result ? result : fd;
}

// Takes the attach lock.
static int ml_begin(memlane_member *m, memlane_file *f) {
  memset(m, 0, sizeof *m);
  m->file = f;
  m->fd = m->bell = m->life = -1;
  m->ropes = malloc(f->slot_count * sizeof *m->ropes);
  if (!m->ropes) return -ENOMEM;
  for (uint32_t slot = 0; slot < f->slot_count; slot++) m->ropes[slot] = (memlane_rope){.fd = -1};
  m->fd = ml_begin_attaching(f);
  return m->fd < 0 ? m->fd : 0;
}

// Takes the first of a row of slots that is free; `may` says which of them, NULL any.
static int ml_take(memlane_member *m, uint32_t first, uint32_t count, const bool *may) {
  for (uint32_t i = 0; i < count; i++) {
    if (may && !may[i]) continue;
    const int result = ml_try_lock(m->fd, ml_slot_byte(first + i));
    if (result == MEMLANE_BUSY) continue;
    m->slot = first + i;
    if (result) return result;
    ml_recover_slot(m->file, m->slot);
    // Who sleeps cannot watch somebody who has no bell yet, and has to look again until there is one.
    atomic_store(&ml_slot(m->file, m->slot)->state, 2);
    return ml_wake_all(m, 0, m->file->slot_count);
  }
  return MEMLANE_BUSY;
}

// Becomes visible, and gives the attach lock back.
static int ml_enter(memlane_member *m, int32_t role) {
  memlane_slot *s = ml_slot(m->file, m->slot);
  const int32_t generation = (atomic_load(&s->generation) + 1) % ML_GENERATIONS;
  // The sign of life first: whoever finds the bell finds it, too.
  if ((m->life = ml_make_fifo(m->file, m->slot, generation, ".life")) < 0) return m->life;
  if ((m->bell = ml_make_fifo(m->file, m->slot, generation, "")) < 0) {
    ml_remove_bell(m->file, m->slot, generation);
    return m->bell;
  }
  atomic_store(&s->generation, generation);
  atomic_store(&s->pid, (int32_t)getpid());
  atomic_store(&s->role, role);
  s->attached_at_ms = (double)ml_now_ms(CLOCK_REALTIME);
  atomic_store(&s->state, 1);
  const int result = ml_lock(m->fd, F_OFD_SETLK, F_UNLCK, ML_ATTACH);
  return result < 0 ? result : 0;
}

// Gives up what ml_take has got, also when it has failed.
static void ml_drop(memlane_member *m) {
  for (uint32_t slot = 0; m->ropes && slot < m->file->slot_count; slot++)
    if (m->ropes[slot].fd >= 0) close(m->ropes[slot].fd);
  free(m->ropes);
  m->ropes = NULL;
  if (m->life >= 0) close(m->life);
  if (m->bell >= 0) close(m->bell);
  if (m->fd >= 0) close(m->fd); // and with it the locks
  m->fd = m->bell = m->life = -1;
}

static void ml_leave(memlane_member *m) {
  if (!m->ropes) return;
  memlane_slot *s = ml_slot(m->file, m->slot);
  ml_be_awake(m->file, m->slot);
  atomic_store(&s->state, 0);
  ml_remove_bell(m->file, m->slot, atomic_load(&s->generation));
  close(m->fd); // from here on somebody else may be there
  m->fd = -1;
  ml_wake_all(m, 0, m->file->slot_count);
  ml_drop(m);
}

// Looks, with or without sleeping, until `met` returns anything but 0.
static int ml_wait(memlane_member *m, int (*met)(void *), void *self, memlane_strategy strategy, int timeout_ms) {
  const int64_t deadline = timeout_ms < 0 ? INT64_MAX : ml_now_ms(CLOCK_MONOTONIC) + timeout_ms;
  memlane_slot *s = ml_slot(m->file, m->slot);
  for (;;) {
    for (int look = 0; look < ML_LOOKS; look++) {
      const int result = met(self);
      if (result) return result;
    }
    if (atomic_load(&ml_superblock(m->file)->ready) != MEMLANE_READY) return MEMLANE_LOST;
    const int64_t left = deadline - ml_now_ms(CLOCK_MONOTONIC);
    if (left <= 0) return 0;
    if (strategy == MEMLANE_SPIN) {
      sched_yield(); // the peer may need this very processor
      continue;
    }
    // pairs with: the addition in ml_wake. without it: the futex sleeps over a ring that came just before it.
    const int32_t bell = atomic_load(&s->bell);
    const uint32_t episode = ((uint32_t)atomic_load(&s->parked) & ~3u) + ML_EPISODE;
    // pairs with: the load of parked in ml_wake. without it: the last record before this sleep wakes nobody.
    atomic_store(&s->parked, (int32_t)(episode | ML_ASLEEP | ML_THREAD));
    ml_sleeper_bit(m->file, m->slot, true);
    const int result = met(self); // once more, now that the others can see
    // A writer may die between its store and its ring: so never for long.
    const int64_t slice = left < ML_SLICE_MS ? left : ML_SLICE_MS;
    if (!result) ml_futex(&s->bell, FUTEX_WAIT, (uint32_t)bell, &(struct timespec){.tv_nsec = (long)slice * 1000000});
    ml_be_awake(m->file, m->slot);
    s->parks += 1;
    if (result) return result;
  }
}

// ---- Records ---------------------------------------------------------------------------------------------------------------

static uint32_t ml_record_bytes(const memlane_ring *r, uint32_t length) {
  return (uint32_t)ml_up((uint64_t)ML_HEADER + length + ml_trailer(r), 8);
}
static uint8_t *ml_at(const memlane_segment *s, uint32_t position) { return s->data + (position & (s->capacity - 1)); }

// What is left free for the mark behind which the stream goes on in another segment.
static uint32_t ml_mark_bytes(const memlane_ring *r) { return r->max_level > 0 ? ML_HEADER : 0; }
static int32_t ml_most_unread(const memlane_ring *r) {
  return (int32_t)(r->max_level > 0 ? (2u * r->capacity_bytes << r->max_level) - 1 : r->capacity_bytes);
}

// Half a byte at a time: no table to be made before the first use.
static uint32_t ml_crc32(uint32_t seed, const uint8_t *bytes, size_t count) {
  static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                                     0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                     0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
  uint32_t crc = ~seed;
  for (size_t i = 0; i < count; i++) {
    crc ^= bytes[i];
    crc = crc >> 4 ^ table[crc & 15];
    crc = crc >> 4 ^ table[crc & 15];
  }
  return ~crc;
}
static uint32_t ml_checksum(const uint8_t *record, uint32_t length, uint32_t position) {
  return ml_crc32(position, record, ML_HEADER + length);
}
static uint32_t ml_checksum_offset(uint32_t length) { return ML_HEADER + (uint32_t)ml_up(length, 4); }

// The length of the record at a position, which may be anything; loaded once, or its writer could change it after the checks.
static uint32_t ml_length_at(const memlane_segment *s, uint32_t position) {
  return ~(uint32_t)atomic_load_explicit((memlane_word *)ml_at(s, position), memory_order_relaxed);
}

// The end of the record at a position; `bound` where there is none that ends before it.
static uint32_t ml_end_of(const memlane_ring *r, const memlane_segment *s, uint32_t position, uint32_t bound) {
  const uint32_t length = ml_length_at(s, position);
  if (length > s->capacity) return bound;
  const uint32_t end = position + ml_record_bytes(r, length);
  return ml_distance(bound, end) < 0 ? bound : end;
}

// ---- The tail --------------------------------------------------------------------------------------------------------------

typedef struct {
  uint32_t position, records;
} ml_mark;

// The pair that `turn` names.
static ml_mark ml_pair(memlane_lane *lane, int32_t turn) {
  if (turn & 1) return (ml_mark){(uint32_t)atomic_load(&lane->tail1), (uint32_t)atomic_load(&lane->records1)};
  return (ml_mark){(uint32_t)atomic_load(&lane->tail0), (uint32_t)atomic_load(&lane->records0)};
}

static void ml_store_tail(memlane_lane *lane, ml_mark mark) {
  // pairs with: the load of tail in ml_is_passed. without it: what is being overwritten is taken for a record.
  atomic_store(&lane->tail, (int32_t)mark.position);
  const int32_t turn = (int32_t)((uint32_t)atomic_load(&lane->turn) + 1);
  atomic_store(turn & 1 ? &lane->tail1 : &lane->tail0, (int32_t)mark.position);
  atomic_store(turn & 1 ? &lane->records1 : &lane->records0, (int32_t)mark.records);
  // pairs with: both loads of turn in ml_count. without it: half of a pair is believed.
  atomic_store(&lane->turn, turn);
  atomic_thread_fence(memory_order_seq_cst); // plain stores that follow must not pass the store of tail
}

// Steps over a record, or over the mark at the end of the older segment, which is none; not over `bound`.
static void ml_step(const memlane_ring *r, const memlane_segment *newer, const memlane_segment *older, ml_mark *at,
                    uint32_t bound) {
  const uint32_t last = newer->begin - ML_HEADER;
  const bool is_before = older->data && ml_distance(newer->begin, at->position) > 0;
  if (is_before && at->position == last) {
    at->position = newer->begin;
    return;
  }
  if (is_before && ml_distance(bound, last) > 0) bound = last;
  at->position = ml_end_of(r, is_before ? older : newer, at->position, bound);
  at->records++;
}

// Walks from the last pair to `target`, over records that nobody overwrites meanwhile: the producer's, or of a lane without one.
static int ml_walk_tail(memlane_ring *r, uint32_t lane_index, uint32_t target, ml_mark *mark) {
  memlane_lane *lane = ml_lane(r, lane_index);
  *mark = ml_pair(lane, atomic_load(&lane->turn));
  const int32_t way = ml_distance(target, mark->position);
  if (way < 0 || way > ml_most_unread(r)) return ml_corrupt(r, "tail");
  if (way == 0) return 0;
  memlane_segment newer, older;
  const int result = ml_find_segments(r, lane_index, &newer, &older);
  if (result) return result;
  while (mark->position != target) ml_step(r, &newer, &older, mark, target);
  ml_store_tail(lane, *mark);
  return 0;
}

// Whether what stands at a position may have been overwritten by now. After it was copied, or the cursor stored.
static bool ml_is_passed(memlane_lane *lane, uint32_t position) {
  atomic_thread_fence(memory_order_seq_cst);
  return ml_distance(position, (uint32_t)atomic_load(&lane->tail)) < 0; // pairs with: ml_store_tail
}

// Where `tail`, or `published`, is now; and how many records were before it, where somebody may lose some.
static int ml_count(memlane_ring *r, uint32_t lane_index, bool oldest, ml_mark *mark) {
  memlane_lane *lane = ml_lane(r, lane_index);
  for (;;) {
    const int32_t turn = atomic_load(&lane->turn);
    *mark = ml_pair(lane, turn);
    const uint32_t target = (uint32_t)atomic_load(oldest ? &lane->tail : &lane->published);
    const int32_t way = ml_distance(target, mark->position);
    const bool is_sane = way >= 0 && way <= ml_most_unread(r);
    if (!(r->flags & MEMLANE_OVERWRITE)) mark->position = target; // it may be in either segment: not to be looked at
    else if (is_sane && way > 0) {
      memlane_segment segment;
      const int result = ml_map(r, lane_index, 0, &segment);
      if (result) return result;
      for (; mark->position != target; mark->records++)
        mark->position = ml_end_of(r, &segment, mark->position, target);
    }
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load(&lane->turn) == turn) return is_sane ? 0 : ml_corrupt(r, "tail");
  }
}

// ---- Writing ---------------------------------------------------------------------------------------------------------------

// Finishes a move to another segment in which the last producer died, and reserves what is in use.
static int ml_settle_segments(memlane_ring *r, uint32_t lane_index) {
  memlane_lane *lane = ml_lane(r, lane_index);
  const int newer = ml_newer(lane), older = 1 - newer;
  const uint32_t begin = (uint32_t)atomic_load(ml_begin_word(lane, newer));
  const uint32_t published = (uint32_t)atomic_load(&lane->published);
  if ((uint32_t)atomic_load(ml_level_word(lane, newer)) > r->max_level) return ml_corrupt(r, newer ? "level1" : "level0");
  if (atomic_load(ml_level_word(lane, older)) != ML_UNUSED &&
      (uint32_t)atomic_load(ml_level_word(lane, older)) > r->max_level)
    return ml_corrupt(r, older ? "level1" : "level0");
  // One that begins behind the newer one was never announced.
  if (atomic_load(ml_level_word(lane, older)) != ML_UNUSED &&
      ml_distance((uint32_t)atomic_load(ml_begin_word(lane, older)), begin) > 0)
    atomic_store(ml_level_word(lane, older), ML_UNUSED);
  if (atomic_load(ml_level_word(lane, older)) != ML_UNUSED) {
    const int32_t level = atomic_load(ml_level_word(lane, newer)), written = ml_distance(published, begin);
    if (written < -ML_HEADER || written > (int32_t)(r->capacity_bytes << level) || begin % 8 ||
        level == atomic_load(ml_level_word(lane, older)))
      return ml_corrupt(r, newer ? "begin1" : "begin0");
  }
  for (uint32_t level = 0; level <= r->max_level; level++) {
    const int32_t wanted = (int32_t)level;
    if (atomic_load(&lane->level0) == wanted || atomic_load(&lane->level1) == wanted) {
      const int result = ml_reserve(r, lane_index, level);
      if (result) return result;
    } else ml_punch(r, lane_index, level);
  }
  if (atomic_load(ml_level_word(lane, older)) == ML_UNUSED || ml_distance(begin, published) <= 0) return 0;
  memlane_segment segment;
  const int result = ml_find_segment(r, lane_index, published, &segment);
  if (result) return result;
  ((memlane_record *)ml_at(&segment, published))->not_length = ML_MOVED_ON;
  atomic_store(&lane->published, (int32_t)begin);
  return 0;
}

int memlane_produce(memlane_producer *p, memlane_ring *r) {
  memset(p, 0, sizeof *p);
  p->ring = r;
  memlane_member *m = &p->member;
  int result = ml_begin(m, &r->file);
  if (!result) result = ml_take(m, 0, r->producers, NULL);
  if (!result && r->max_level > 0) result = ml_settle_segments(r, m->slot);
  else if (!result && ml_has_many_producers(r)) result = ml_reserve(r, m->slot, 0);
  if (!result) {
    p->lane = ml_lane(r, m->slot);
    result = ml_find_segments(r, m->slot, &p->segment, &p->older);
  }
  if (!result) {
    atomic_store(&p->lane->ended, 0);
    // pairs with: the load in ml_gather. without it: a consumer could read pages that are not there yet.
    atomic_store(&p->lane->reserved, 1);
    result = ml_enter(m, 1);
  }
  if (result) {
    ml_drop(m);
    return result;
  }
  atomic_fetch_add(ml_changes(r), 1);
  p->published = p->claimed = p->limit = (uint32_t)atomic_load(&p->lane->published);
  p->believed = (uint32_t)atomic_load(&ml_cursor(r, m->slot, 0)->consumed);
  if (ml_is_broadcast(r)) {
    // A predecessor may have died between its store of tail and that of turn.
    ml_mark mark;
    result = ml_walk_tail(r, m->slot, (uint32_t)atomic_load(&p->lane->tail), &mark);
    p->tail = p->believed = mark.position;
    p->tail_records = mark.records;
  }
  if (result) memlane_leave_producer(p);
  else ml_wake_all(m, 0, r->at.slot_count); // so that they can watch for this one's death
  return result;
}

// Moves the tail to `needed`, and over a little more; not over `bound`.
static void ml_make_room(memlane_producer *p, uint32_t needed, uint32_t bound) {
  const uint32_t target = needed + p->segment.capacity / 16;
  ml_mark mark = {p->tail, p->tail_records};
  while (ml_distance(target, mark.position) > 0 && ml_distance(bound, mark.position) > 0)
    ml_step(p->ring, &p->segment, &p->older, &mark, bound);
  if (mark.position == p->tail) return;
  p->tail = mark.position;
  p->tail_records = mark.records;
  ml_store_tail(p->lane, mark);
}

// The slowest of the cursors that are present.
static int ml_slowest(memlane_producer *p, uint32_t *slowest) {
  memlane_ring *r = p->ring;
  const int32_t most = (int32_t)(p->segment.capacity + (p->older.data ? p->older.capacity : 0));
  *slowest = p->published;
  for (uint32_t consumer = 0; consumer < r->consumers; consumer++) {
    memlane_cursor *cursor = ml_cursor(r, p->member.slot, consumer);
    if ((atomic_load(&cursor->state) & ML_STANDING) != ML_PRESENT) continue;
    // pairs with: the stores in ml_join and memlane_release. without it: what is being read is overwritten.
    const uint32_t consumed = (uint32_t)atomic_load(&cursor->consumed);
    const int32_t backlog = ml_distance(p->published, consumed);
    if (backlog > most) continue; // a joiner who is about to find out
    if (backlog < 0 || consumed % 8) return ml_corrupt(r, "consumed");
    if (ml_distance(*slowest, consumed) > 0) *slowest = consumed;
  }
  return 0;
}

// How far behind a cursor may be that nobody owns.
static double ml_kept(const memlane_ring *r, uint32_t consumer) {
  memlane_named_cursor *name = ml_name(r, consumer);
  if (atomic_load(&name->name_bytes) == 0) return 0;
  const int32_t retention = atomic_load(&name->retention);
  return retention == MEMLANE_KEEP_EVERYTHING ? 4e9 : retention == MEMLANE_KEEP_BYTES ? name->kept_bytes : 0;
}

// Takes those off who are before `needed` and need not be waited for.
static void ml_pass_over(memlane_producer *p, uint32_t needed) {
  memlane_ring *r = p->ring;
  for (uint32_t consumer = 0; consumer < r->consumers; consumer++) {
    memlane_cursor *cursor = ml_cursor(r, p->member.slot, consumer);
    int32_t state = atomic_load(&cursor->state);
    const uint32_t consumed = (uint32_t)atomic_load(&cursor->consumed);
    if ((state & ML_STANDING) != ML_PRESENT || ml_distance(needed, consumed) <= 0) continue;
    const bool is_alive = memlane_is_alive(&r->file, r->producers + consumer);
    const double kept = is_alive ? (r->max_lag_bytes ? r->max_lag_bytes : 4e9) : ml_kept(r, consumer);
    if (kept > 0 && ml_distance(p->published, consumed) <= kept) continue;
    // Of the very state that was seen before its owner was found dead: a successor has another.
    atomic_compare_exchange_strong(&cursor->state, &state,
                                   (state & ~ML_STANDING) | (is_alive || kept > 0 ? ML_PASSED_OVER : ML_ABSENT));
  }
}

// Gives the older segment back when nobody needs it any more; whether there is none any more.
static bool ml_retire(memlane_producer *p) {
  memlane_ring *r = p->ring;
  if (r->max_level == 0) return true;
  memlane_word *word = ml_level_word(p->lane, 1 - ml_newer(p->lane));
  const int32_t level = atomic_load(word);
  if (level == ML_UNUSED) return true;
  if (ml_distance(p->believed, p->segment.begin) < 0) return false;
  atomic_store(word, ML_UNUSED);
  ml_punch(r, p->member.slot, (uint32_t)level);
  p->older.data = NULL;
  return true;
}

// Gives up what is before `needed`, as far as that can be, where every consumer that is present reads everything.
static int ml_clear(memlane_producer *p, uint32_t needed) {
  uint32_t slowest;
  int result = ml_slowest(p, &slowest);
  // Who is in the older segment is in nobody's way before the newer one is full.
  const bool is_full = !p->older.data || ml_distance(needed, p->segment.begin) >= 0;
  if (!result && is_full && ml_distance(needed, slowest) > 0) {
    ml_pass_over(p, needed);
    result = ml_slowest(p, &slowest);
  }
  if (result) return result;
  ml_make_room(p, needed, slowest);
  // Again: a joiner has stored its cursor and then looked at the tail.
  result = ml_slowest(p, &slowest);
  p->believed = ml_distance(p->tail, slowest) > 0 ? slowest : p->tail;
  return result;
}

// Finds the limit anew; whether a claim may end there.
static int ml_room_up_to(memlane_producer *p, uint32_t end) {
  memlane_ring *r = p->ring;
  const uint32_t capacity = p->segment.capacity - ml_mark_bytes(r);
  if (r->flags & MEMLANE_OVERWRITE) {
    ml_make_room(p, end - capacity, p->published);
    p->limit = p->tail + capacity;
    return ml_distance(end, p->limit) <= 0;
  }
  if (ml_is_broadcast(r)) {
    const int result = ml_clear(p, end - capacity);
    if (result) return result;
  } else {
    memlane_cursor *cursor = ml_cursor(r, p->member.slot, 0);
    // pairs with: the store in memlane_release. without it: what is being read is overwritten.
    const uint32_t consumed = (uint32_t)atomic_load(&cursor->consumed);
    bool is_confirmed = true;
    if (r->flags & MEMLANE_CHECKSUMS) {
      const uint32_t inverse = (uint32_t)atomic_load(&cursor->not_consumed);
      if (inverse == 0) return ml_corrupt(r, "notConsumed");
      is_confirmed = inverse == ~consumed; // otherwise between the two stores, or its owner died there
    }
    const int32_t backlog = ml_distance(p->published, consumed);
    if (is_confirmed && (backlog < 0 || backlog > ml_most_unread(r) || consumed % 8)) return ml_corrupt(r, "consumed");
    if (is_confirmed) p->believed = consumed;
  }
  // What is still needed of the segment before takes no room in this one.
  const bool is_before = !ml_retire(p);
  p->limit = (is_before ? p->segment.begin : p->believed) + capacity;
  return ml_distance(end, p->limit) <= 0;
}

int memlane_resize(memlane_producer *p, uint32_t level) {
  memlane_ring *r = p->ring;
  memlane_lane *lane = p->lane;
  if (level > r->max_level) return -EINVAL;
  int result = memlane_commit(p);
  if (result || p->segment.capacity == r->capacity_bytes << level) return result;
  if ((result = ml_room_up_to(p, p->claimed)) < 0) return result;
  // Nothing is kept there any more for who comes late.
  if (ml_is_broadcast(r) && p->older.data && (result = ml_clear(p, p->segment.begin))) return result;
  if (!ml_retire(p)) return MEMLANE_BUSY;
  const int32_t segment = atomic_load(&lane->segment);
  const int other = (segment + 1) & 1;
  memlane_segment next = {.begin = p->published + ML_HEADER};
  result = ml_reserve(r, p->member.slot, level);
  if (!result) result = ml_map(r, p->member.slot, level, &next);
  if (result) return result;
  ((memlane_record *)ml_at(&p->segment, p->published))->not_length = ML_MOVED_ON;
  // So that where it begins can still be compared with where the next one does.
  atomic_store(ml_begin_word(lane, 1 - other), (int32_t)p->believed);
  atomic_store(ml_begin_word(lane, other), (int32_t)next.begin);
  atomic_store(ml_level_word(lane, other), (int32_t)level);
  // pairs with: the load in ml_move_on. without it: a consumer finds the mark and no segment behind it.
  atomic_store(&lane->segment, (int32_t)((uint32_t)segment + 1));
  atomic_store(&lane->published, (int32_t)next.begin);
  p->older = p->segment;
  p->segment = next;
  p->published = p->claimed = p->limit = next.begin;
  return ml_wake_all(&p->member, r->producers, r->consumers);
}

int memlane_claim(memlane_producer *p, uint32_t length, int32_t type, void **payload) {
  const memlane_ring *r = p->ring;
  if (p->ended) return MEMLANE_ENDED;
  if (length > p->segment.capacity - ML_HEADER - ml_trailer(r) - ml_mark_bytes(r)) return MEMLANE_TOO_LONG;
  const uint32_t end = p->claimed + ml_record_bytes(r, length);
  if (ml_distance(end, p->limit) > 0) {
    const int result = ml_room_up_to(p, end);
    if (result == 0) ml_slot(&r->file, p->member.slot)->refusals += 1;
    if (result <= 0) return result;
  }
  memlane_record *record = (memlane_record *)ml_at(&p->segment, p->claimed);
  record->not_length = (int32_t)~length;
  record->type = type;
  *payload = record + 1;
  p->claimed = end;
  p->claimed_records += 1;
  p->claimed_bytes += length;
  return 1;
}

int memlane_commit(memlane_producer *p) {
  memlane_ring *r = p->ring;
  if (p->claimed == p->published) return 0;
  if (r->flags & MEMLANE_CHECKSUMS) {
    for (uint32_t position = p->published; position != p->claimed;) {
      uint8_t *record = ml_at(&p->segment, position);
      const uint32_t length = ml_length_at(&p->segment, position);
      const uint32_t end = position + ml_record_bytes(r, length);
      // The header is in the file, where somebody may have changed it.
      if (length > r->capacity_bytes || ml_distance(p->claimed, end) < 0) return ml_corrupt(r, "length");
      const uint32_t checksum = ml_checksum(record, length, position);
      memcpy(record + ml_checksum_offset(length), &checksum, 4);
      position = end;
    }
    atomic_store(&p->lane->not_published, (int32_t)~p->claimed);
  }
  p->published = p->claimed;
  // pairs with: the load in ml_refresh. without it: a reader sees the position before the payload.
  atomic_store(&p->lane->published, (int32_t)p->claimed);
  memlane_slot *s = ml_slot(&r->file, p->member.slot);
  s->messages += p->claimed_records;
  s->bytes += (double)p->claimed_bytes;
  s->batches += 1;
  p->claimed_records = 0;
  p->claimed_bytes = 0;
  return ml_wake_all(&p->member, r->producers, r->consumers);
}

void memlane_abort(memlane_producer *p) {
  p->claimed = p->published;
  p->claimed_records = 0;
  p->claimed_bytes = 0;
}

typedef struct {
  memlane_producer *producer;
  uint32_t length;
} ml_wish;

static int ml_has_room(void *self) {
  const ml_wish *wish = self;
  return ml_room_up_to(wish->producer, wish->producer->claimed + ml_record_bytes(wish->producer->ring, wish->length));
}

int memlane_wait_for_room(memlane_producer *p, uint32_t length, memlane_strategy strategy, int timeout_ms) {
  ml_wish wish = {p, length};
  return ml_wait(&p->member, ml_has_room, &wish, strategy, timeout_ms);
}

int memlane_end(memlane_producer *p) {
  const int result = memlane_commit(p);
  if (p->ended) return 0;
  p->ended = true;
  // pairs with: the load in memlane_is_ended. without it: the end is taken for before the last record.
  atomic_store(&p->lane->ended, 1);
  const int woken = ml_wake_all(&p->member, p->ring->producers, p->ring->consumers);
  return result ? result : woken;
}

void memlane_leave_producer(memlane_producer *p) { ml_leave(&p->member); }

// ---- Reading ---------------------------------------------------------------------------------------------------------------

// Takes the cursor of one lane. By whoever has the locks of attaching and of the slot.
static int ml_join(memlane_consumer *c, uint32_t lane_index, bool goes_on) {
  memlane_ring *r = c->ring;
  memlane_lane *lane = ml_lane(r, lane_index);
  memlane_cursor *cursor = ml_cursor(r, lane_index, c->consumer);
  memlane_reader *reader = &c->readers[lane_index];
  int32_t before = atomic_load(&cursor->state);
  reader->state = (int32_t)(((uint32_t)before & ~3u) + 4) | ML_PRESENT;
  const uint32_t left = (uint32_t)atomic_load(&cursor->consumed);
  ml_mark mark;
  if (goes_on) {
    if ((before & ML_STANDING) != ML_PRESENT || !atomic_compare_exchange_strong(&cursor->state, &before, reader->state))
      atomic_store(&cursor->state, reader->state);
    if (!ml_is_passed(lane, left)) {
      reader->position = reader->published = reader->consumed = left;
      return 0; // without a count of records: none is lost to whoever is not overtaken
    }
  }
  do {
    const int result = ml_count(r, lane_index, c->from_oldest, &mark);
    if (result) return result;
    atomic_store(&cursor->not_consumed, (int32_t)~mark.position);
    // pairs with: the loads in ml_slowest. without it: what this reader begins with is overwritten.
    atomic_store(&cursor->consumed, (int32_t)mark.position);
    atomic_store(&cursor->state, reader->state);
  } while (ml_is_passed(lane, mark.position));
  if (goes_on) c->lost_bytes += mark.position - left;
  reader->position = reader->published = reader->consumed = mark.position;
  reader->records = mark.records;
  return 0;
}

static bool ml_has_name(const memlane_ring *r, uint32_t consumer, const char *name) {
  memlane_named_cursor *place = ml_name(r, consumer);
  const int32_t bytes = atomic_load(&place->name_bytes);
  return bytes > 0 && (size_t)bytes == strlen(name) && memcmp(place->name, name, (size_t)bytes) == 0;
}

// The places that a consumer may take: that of its name, or those without any.
static void ml_choose(const memlane_ring *r, const char *name, bool *may) {
  bool found = false;
  for (uint32_t consumer = 0; consumer < r->consumers; consumer++) {
    may[consumer] = name && ml_has_name(r, consumer, name);
    found |= may[consumer];
  }
  for (uint32_t consumer = 0; !found && consumer < r->consumers; consumer++)
    may[consumer] = atomic_load(&ml_name(r, consumer)->name_bytes) == 0;
}

static void ml_set_name(const memlane_ring *r, uint32_t consumer, const memlane_consumer_options *options) {
  memlane_named_cursor *place = ml_name(r, consumer);
  const bool overwrites = r->flags & MEMLANE_OVERWRITE;
  if (options->retention == MEMLANE_KEEP_BYTES) place->kept_bytes = options->kept_bytes;
  atomic_store(&place->retention, overwrites ? MEMLANE_KEEP_NOTHING : (int32_t)options->retention);
  if (ml_has_name(r, consumer, options->name)) return;
  memcpy(place->name, options->name, strlen(options->name));
  atomic_store(&place->name_bytes, (int32_t)strlen(options->name));
}

// Joins in all lanes, under the name if there is one.
static int ml_join_all(memlane_consumer *c, const memlane_consumer_options *options) {
  memlane_ring *r = c->ring;
  const char *name = options ? options->name : NULL;
  const bool goes_on = name && ml_has_name(r, c->consumer, name);
  for (uint32_t lane = 0; lane < r->producers; lane++) {
    const int result = ml_join(c, lane, goes_on);
    if (result) return result;
  }
  // A name whose cursors were never taken would have its next owner begin anywhere.
  if (name) ml_set_name(r, c->consumer, options);
  c->is_kept = ml_kept(r, c->consumer) > 0;
  return 0;
}

// A cursor that counts whether it has an owner or not: goes on where the last one was.
static void ml_resume(memlane_consumer *c, uint32_t lane) {
  memlane_ring *r = c->ring;
  memlane_cursor *cursor = ml_cursor(r, lane, 0);
  const uint32_t consumed = (uint32_t)atomic_load(&cursor->consumed);
  c->readers[lane].position = c->readers[lane].published = c->readers[lane].consumed = consumed;
  // The predecessor may have died between the two.
  if (r->flags & MEMLANE_CHECKSUMS) atomic_store(&cursor->not_consumed, (int32_t)~consumed);
}

int memlane_consume(memlane_consumer *c, memlane_ring *r, const memlane_consumer_options *options) {
  memset(c, 0, sizeof *c);
  const bool broadcast = ml_is_broadcast(r);
  if (options && (!broadcast || (options->name && (!*options->name || strlen(options->name) > 64)))) return -EINVAL;
  const bool overwrites = r->flags & MEMLANE_OVERWRITE;
  c->from_oldest = options && options->from_oldest;
  // Overwritten meanwhile, or to be checked. Aligned for whatever the payload holds, which begins 8 bytes behind.
  const bool copies = overwrites || r->max_lag_bytes || r->flags & MEMLANE_CHECKSUMS;
  c->readers = calloc(r->producers, sizeof *c->readers);
  c->copy = copies ? aligned_alloc(4096, r->capacity_bytes) : NULL;
  bool *may = calloc(r->consumers, sizeof *may);
  c->ring = r;
  memlane_member *m = &c->member;
  int result = ml_begin(m, &r->file);
  if (!result && (!c->readers || !may || (copies && !c->copy))) result = -ENOMEM;
  if (!result) {
    // With the attach lock, under which names are given.
    if (broadcast) ml_choose(r, options ? options->name : NULL, may);
    result = ml_take(m, r->producers, r->consumers, broadcast ? may : NULL);
  }
  free(may);
  c->consumer = m->slot - r->producers;
  if (!result && broadcast) result = ml_join_all(c, options);
  if (!result) result = ml_enter(m, 2);
  if (result) {
    ml_drop(m);
    free(c->readers);
    free(c->copy);
    return result;
  }
  for (uint32_t lane = 0; !broadcast && lane < r->producers; lane++) ml_resume(c, lane);
  ml_wake_all(m, 0, r->at.slot_count);
  return 0;
}

// Looks for lanes that have got a producer.
static int ml_gather(memlane_consumer *c) {
  memlane_ring *r = c->ring;
  const int32_t changes = atomic_load(ml_changes(r));
  if (c->has_looked && changes == c->changes) return 0;
  for (uint32_t lane = 0; lane < r->producers; lane++) {
    // pairs with: the store in memlane_produce. without it: pages are read that are not there yet.
    if (!atomic_load(&ml_lane(r, lane)->reserved)) continue;
    memlane_reader *reader = &c->readers[lane];
    // Of one that was given back and is in use again, the segment is the one that it was.
    if (!reader->segment.data) {
      const int result = ml_find_segment(r, lane, reader->position, &reader->segment);
      if (result) return result;
    }
    reader->is_read = true;
  }
  c->has_looked = true;
  c->changes = changes;
  return 0;
}

// Goes to where there are records, when those at the position may have been overwritten: 1.
static int ml_overtaken(memlane_consumer *c, uint32_t lane_index) {
  memlane_ring *r = c->ring;
  memlane_lane *lane = ml_lane(r, lane_index);
  memlane_reader *reader = &c->readers[lane_index];
  if (r->max_lag_bytes) {
    atomic_thread_fence(memory_order_seq_cst);
    // pairs with: the compare-and-set of a producer. without it: what is being overwritten is taken for a record.
    return atomic_load(&ml_cursor(r, lane_index, c->consumer)->state) == reader->state ? 0 : MEMLANE_EVICTED;
  }
  if (!(r->flags & MEMLANE_OVERWRITE) || !ml_is_passed(lane, reader->position)) return 0;
  ml_mark mark;
  const int result = ml_count(r, lane_index, c->from_oldest, &mark);
  if (result) return result;
  c->lost_records += mark.records - reader->records;
  c->lost_bytes += mark.position - reader->position;
  reader->position = mark.position;
  reader->records = mark.records;
  reader->published = (uint32_t)atomic_load(&lane->published);
  return 1;
}

// Whether there is a record at the position, or may be.
static int ml_refresh(memlane_consumer *c, uint32_t lane_index) {
  memlane_ring *r = c->ring;
  memlane_lane *lane = ml_lane(r, lane_index);
  memlane_reader *reader = &c->readers[lane_index];
  if (reader->position != reader->published) return 1;
  // pairs with: the store in memlane_commit. without it: payloads are read before they are written.
  const uint32_t published = (uint32_t)atomic_load(&lane->published);
  if (r->flags & MEMLANE_CHECKSUMS && atomic_load(&lane->not_published) == 0) return ml_corrupt(r, "notPublished");
  const int32_t backlog = ml_distance(published, reader->position);
  if (backlog < 0 || backlog > ml_most_unread(r) || published % 8) {
    const int result = ml_overtaken(c, lane_index);
    return result == 0 ? ml_corrupt(r, "published") : result < 0 ? result : reader->position != reader->published;
  }
  reader->published = published;
  return backlog > 0;
}

// In words, each of them whole: its producer may be writing there, which of plain accesses C makes no sense at all.
static void ml_copy(uint8_t *to, const uint8_t *from, uint32_t bytes) {
  for (uint32_t i = 0; i < bytes; i += 4)
    *(int32_t *)(to + i) = atomic_load_explicit((memlane_word *)(from + i), memory_order_relaxed);
}

// Goes on in the newer segment, behind the mark that is at the position.
static int ml_move_on(memlane_consumer *c, uint32_t lane_index) {
  memlane_ring *r = c->ring;
  memlane_reader *reader = &c->readers[lane_index];
  memlane_segment next = {0};
  const uint32_t begin = reader->position + ML_HEADER;
  // pairs with: the store in memlane_resize. The mark was published after the segment had been announced.
  const int result = ml_find_segment(r, lane_index, begin, &next);
  if (result) return result;
  if (next.begin != begin || ml_distance(reader->published, begin) < 0) return ml_corrupt(r, "length");
  reader->segment = next;
  reader->position = begin;
  return 0;
}

// The record at the position of a lane: 1, or 0 when there is none.
static int ml_read(memlane_consumer *c, uint32_t lane_index, memlane_message *message) {
  memlane_ring *r = c->ring;
  memlane_reader *reader = &c->readers[lane_index];
  for (;;) {
    int result = ml_refresh(c, lane_index);
    if (result <= 0) return result;
    uint8_t *record = ml_at(&reader->segment, reader->position);
    const uint32_t length = ml_length_at(&reader->segment, reader->position);
    const uint32_t end = reader->position + ml_record_bytes(r, length);
    const bool fits = length <= reader->segment.capacity && ml_distance(reader->published, end) >= 0;
    if (fits && c->copy) {
      ml_copy(c->copy, record, end - reader->position);
      record = c->copy;
    }
    // Also of a length that cannot be: it may be a part of what was written there meanwhile.
    if (c->copy && (result = ml_overtaken(c, lane_index))) {
      if (result < 0) return result;
      continue;
    }
    if (!fits && (~length != ML_MOVED_ON || r->max_level == 0)) return ml_corrupt(r, "length");
    if (!fits) {
      if ((result = ml_move_on(c, lane_index))) return result;
      continue;
    }
    if (r->flags & MEMLANE_CHECKSUMS) {
      uint32_t checksum;
      memcpy(&checksum, record + ml_checksum_offset(length), 4);
      if (checksum != ml_checksum(record, length, reader->position)) return ml_corrupt(r, "checksum");
    }
    *message = (memlane_message){record + ML_HEADER, length, lane_index, ((memlane_record *)record)->type};
    reader->position = end;
    reader->records += 1;
    c->messages += 1;
    c->bytes += length;
    return 1;
  }
}

int memlane_next(memlane_consumer *c, memlane_message *message) {
  int result = ml_gather(c);
  for (uint32_t step = 0; !result && step < c->ring->producers; step++) {
    const uint32_t lane = c->turn;
    c->turn = (c->turn + 1) % c->ring->producers; // whatever it has: nobody is left out
    if (c->readers[lane].is_read) result = ml_read(c, lane, message);
  }
  return result;
}

int memlane_release(memlane_consumer *c) {
  memlane_ring *r = c->ring;
  int result = 0;
  for (uint32_t lane = 0; lane < r->producers; lane++) {
    memlane_reader *reader = &c->readers[lane];
    memlane_cursor *cursor = ml_cursor(r, lane, c->consumer);
    if (reader->position == reader->consumed) continue;
    reader->consumed = reader->position;
    if (r->flags & MEMLANE_CHECKSUMS) atomic_store(&cursor->not_consumed, (int32_t)~reader->position);
    // pairs with: the loads in ml_room_up_to and ml_slowest. without it: what is being read is overwritten.
    atomic_store(&cursor->consumed, (int32_t)reader->position);
    const int woken = ml_wake_all(&c->member, lane, 1);
    if (woken) result = woken;
  }
  memlane_slot *s = ml_slot(&r->file, c->member.slot);
  if (c->messages) s->batches += 1;
  s->messages += (double)c->messages;
  s->bytes += (double)c->bytes;
  c->messages = c->bytes = 0;
  return result;
}

static int ml_has_record(memlane_consumer *c) {
  int result = ml_gather(c);
  for (uint32_t lane = 0; !result && lane < c->ring->producers; lane++)
    if (c->readers[lane].is_read) result = ml_refresh(c, lane);
  return result;
}

int memlane_is_ended(memlane_consumer *c) {
  memlane_ring *r = c->ring;
  bool is_ended = false;
  for (uint32_t lane = 0; lane < r->producers; lane++) {
    // pairs with: the store in memlane_end. The end first: whoever sees it sees all that was published before it.
    if (atomic_load(&ml_lane(r, lane)->ended) == 1) is_ended = true;
    else if (memlane_is_alive(&r->file, lane)) return 0; // one that is gone does not hold up the end, but makes none either
  }
  if (!is_ended) return 0;
  const int result = ml_has_record(c);
  return result < 0 ? result : !result;
}

static int ml_has_news(void *self) {
  const int result = ml_has_record(self);
  return result ? result : memlane_is_ended(self);
}

int memlane_wait(memlane_consumer *c, memlane_strategy strategy, int timeout_ms) {
  return ml_wait(&c->member, ml_has_news, c, strategy, timeout_ms);
}

// Whether everybody who counts has read everything of a lane.
static bool ml_is_drained(const memlane_ring *r, uint32_t lane) {
  const int32_t published = atomic_load(&ml_lane(r, lane)->published);
  for (uint32_t consumer = 0; consumer < r->consumers; consumer++) {
    memlane_cursor *cursor = ml_cursor(r, lane, consumer);
    const bool counts = !ml_is_broadcast(r) || (atomic_load(&cursor->state) & ML_STANDING) == ML_PRESENT;
    if (counts && atomic_load(&cursor->consumed) != published) return false;
  }
  return true;
}

// Gives the space of one lane back; 1 when that was done.
static int ml_abandon(memlane_ring *r, uint32_t lane_index) {
  memlane_lane *lane = ml_lane(r, lane_index);
  if (!atomic_load(&lane->reserved) || memlane_is_alive(&r->file, lane_index) || !ml_is_drained(r, lane_index)) return 0;
  const int fd = ml_begin_attaching(&r->file);
  if (fd < 0) return fd;
  int result = ml_try_lock(fd, ml_slot_byte(lane_index));
  if (!result) ml_recover_slot(&r->file, lane_index);
  // Again, now that no producer can come and nobody can join.
  const bool is_drained = !result && atomic_load(&lane->reserved) && ml_is_drained(r, lane_index);
  ml_mark mark;
  if (is_drained && ml_is_broadcast(r)) {
    // So that nobody begins at what will be gone: first to where a dead producer was about to move it.
    result = ml_walk_tail(r, lane_index, (uint32_t)atomic_load(&lane->tail), &mark);
    if (!result) result = ml_walk_tail(r, lane_index, (uint32_t)atomic_load(&lane->published), &mark);
  }
  if (is_drained && !result) {
    atomic_store(&lane->reserved, 0);
    for (uint32_t level = 0; level <= r->max_level; level++) ml_punch(r, lane_index, level);
    result = 1;
  }
  close(fd);
  return result == MEMLANE_BUSY ? 0 : result;
}

int memlane_tidy(memlane_consumer *c) {
  memlane_ring *r = c->ring;
  int given_back = 0;
  for (uint32_t lane = 0; ml_has_many_producers(r) && lane < r->producers; lane++) {
    const int result = ml_abandon(r, lane);
    if (result < 0) return result;
    if (result == 0) continue;
    given_back += 1;
    c->readers[lane].is_read = false;
    c->has_looked = false; // a producer may have come by now
  }
  return given_back;
}

void memlane_leave_consumer(memlane_consumer *c) {
  if (!c->readers) return;
  memlane_ring *r = c->ring;
  for (uint32_t lane = 0; ml_is_broadcast(r) && !c->is_kept && lane < r->producers; lane++) {
    int32_t state = c->readers[lane].state;
    // From the very state that it took: a producer may have passed it over.
    atomic_compare_exchange_strong(&ml_cursor(r, lane, c->consumer)->state, &state, (state & ~ML_STANDING) | ML_ABSENT);
  }
  ml_leave(&c->member);
  free(c->readers);
  free(c->copy);
  c->readers = NULL;
  c->copy = NULL;
}

#endif
