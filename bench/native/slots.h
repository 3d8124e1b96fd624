// The driver of the peers whose slots have a fixed size, a compile-time constant to them, which only helps them.
// An includer defines for each size N push_N(queue, work, sequence) and pop_N(queue, work, sequence, &faults), both
// false when there is nothing to be had, and queue_N_bytes, queue_N_init(memory); then expands SLOTTED(N) and main().
#pragma once
#include "work.h"
#include <fcntl.h>
#include <sys/mman.h>

enum { MIB = 1 << 20, LARGEST_FOR_SMALL_RING = 16 << 10 };
#define SLOT_COUNT(size) ((size) <= LARGEST_FOR_SMALL_RING ? MIB / (size) : 8 * MIB / (size))
#define SIZES(X) X(8) X(64) X(1024) X(65536) X(1048576)

static inline void *share(const char *path, size_t bytes, bool create) {
  const int fd = open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT | O_EXCL : 0), 0600);
  if (fd < 0) die(path);
  if (create && posix_fallocate(fd, 0, (off_t)bytes) != 0) die("posix_fallocate");
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (memory == MAP_FAILED) die("mmap");
  close(fd);
  return memory;
}

#define SLOTTED(N)                                                                                                       \
  static void run_##N(const arguments *a) {                                                                              \
    const work k = work_create(N);                                                                                       \
    void *queue = share(a->path, queue_##N##_bytes, !a->produces);                                                       \
    if (a->produces) {                                                                                                   \
      for (uint64_t i = 0; i < a->count; i++)                                                                            \
        while (!push_##N(queue, &k, (double)i)) relax();                                                                 \
      return;                                                                                                            \
    }                                                                                                                    \
    queue_##N##_init(queue);                                                                                             \
    print_ready();                                                                                                       \
    uint64_t faults = 0, i = 0, started_ns = now_ns();                                                                   \
    for (; i < a->warmup; i++)                                                                                           \
      while (!pop_##N(queue, &k, (double)i, &faults)) relax();                                                           \
    if (a->warmup) started_ns = now_ns();                                                                                \
    for (; i < a->count; i++)                                                                                            \
      while (!pop_##N(queue, &k, (double)i, &faults)) relax();                                                           \
    report_consumer(started_ns, now_ns(), faults);                                                                       \
  }

#define RUN_IF(N)                                                                                                        \
  if (a.size == N) {                                                                                                     \
    run_##N(&a);                                                                                                         \
    return 0;                                                                                                            \
  }

#define SLOTTED_MAIN                                                                                                     \
  SIZES(SLOTTED)                                                                                                         \
  int main(int argc, char **argv) {                                                                                      \
    const arguments a = parse_arguments(argc, argv);                                                                     \
    SIZES(RUN_IF)                                                                                                        \
    return 2;                                                                                                            \
  }
