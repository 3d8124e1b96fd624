// The driver of queues that several processes share, with slots of a fixed size. An includer defines, for each size N,
// send_N(queue, work, stamp) and receive_N(queue, copy), both false when there is nothing to be had now, queue_N_make(role)
// and queue_N_open(role); further all_attached(role), which takes the name away where there is one outside the sample's
// folder, and `waits_inside`, when sending and receiving wait themselves; then expands SHARED_QUEUE_MAIN.
#pragma once
#include "group.h"
#include <fcntl.h>
#include <sys/mman.h>

#define QUEUE_BYTES (1 << 20)
#define GROUP_SIZES(X) X(64) X(1024)

static inline void *share_file(const char *path, size_t bytes, bool create) {
  const int fd = open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT | O_EXCL : 0), 0600);
  if (fd < 0) die(path);
  if (create && posix_fallocate(fd, 0, (off_t)bytes) != 0) die("posix_fallocate");
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (memory == MAP_FAILED) die("mmap");
  close(fd);
  return memory;
}

#define SHARED_QUEUE(N)                                                                                                  \
  static void send_all_##N(const group_role *r, void *queue, const work *k) {                                            \
    await_go();                                                                                                          \
    for (uint64_t i = 0; i < r->count; i++)                                                                              \
      for (uint32_t looks = 0; !send_##N(queue, k, stamp_of(r, i));) back_off(&looks);                                   \
    if (!r->shared) return;                                                                                              \
    if (r->index != 0) {                                                                                                 \
      puts("sent");                                                                                                      \
      return;                                                                                                            \
    }                                                                                                                    \
    await_all_sent();                                                                                                    \
    for (uint32_t c = 0; c < r->consumers; c++)                                                                          \
      for (uint32_t looks = 0; !send_##N(queue, k, END_MARK);) back_off(&looks);                                         \
  }                                                                                                                      \
  static void receive_all_##N(const group_role *r, void *queue, const work *k) {                                         \
    static char copy[N] __attribute__((aligned(64)));                                                                    \
    intake t = intake_create(r);                                                                                         \
    await_go();                                                                                                          \
    if (r->index == 0) all_attached(r);                                                                                  \
    intake_start(&t);                                                                                                    \
    const uint64_t deadline_ns = t.started_ns + (uint64_t)(r->limit_seconds * 1e9);                                      \
    for (uint32_t looks = 0; r->shared || !intake_is_complete(&t);) {                                                    \
      if (receive_##N(queue, copy)) {                                                                                    \
        const bool more = take_in(&t, k, copy, N);                                                                       \
        if (more ? waits_inside : !waits_inside && looks == 0) t.ended_ns = now_ns();                                    \
        if (!more) break;                                                                                                \
        looks = 0;                                                                                                       \
        continue;                                                                                                        \
      }                                                                                                                  \
      /* Out of work, so that the time of the last message costs nothing to know. */                                     \
      if (looks == 0) t.ended_ns = now_ns();                                                                             \
      back_off(&looks);                                                                                                  \
      if (looks % LOOKS_BEFORE_CLOCK == 0 && now_ns() > deadline_ns) {                                                   \
        t.stalled = true;                                                                                                \
        break;                                                                                                           \
      }                                                                                                                  \
    }                                                                                                                    \
    if (!r->shared || t.stalled) t.ended_ns = now_ns();                                                                  \
    report_intake(&t);                                                                                                   \
  }

#define SHARED_QUEUE_RUN_IF(N)                                                                                           \
  if (r.size == N) {                                                                                                     \
    void *queue = !r.produces && r.index == 0 ? queue_##N##_make(&r) : queue_##N##_open(&r);                             \
    if (r.produces) send_all_##N(&r, queue, &k);                                                                         \
    else receive_all_##N(&r, queue, &k);                                                                                 \
    return 0;                                                                                                            \
  }

#define SHARED_QUEUE_MAIN                                                                                                \
  GROUP_SIZES(SHARED_QUEUE)                                                                                              \
  int main(int argc, char **argv) {                                                                                      \
    const group_role r = parse_group_role(argc, argv);                                                                   \
    const work k = work_create(r.size);                                                                                  \
    GROUP_SIZES(SHARED_QUEUE_RUN_IF)                                                                                     \
    return 2;                                                                                                            \
  }
