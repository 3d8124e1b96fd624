// Concurrency Kit's ck_ring with several producers, and one consumer (mpsc) or several (workQueue, mpmc). Filled in place
// by reserve and commit. The commit waits, without letting anybody else run, for all who have reserved before.
#include "shared-queue.h"
#include <ck_ring.h>

static const bool waits_inside = false;
static void all_attached(const group_role *r) { (void)r; }
#define SLOTS_AT 4096

static bool many_consumers;

#define CK_GROUP(N)                                                                                                      \
  struct message_##N {                                                                                                   \
    double words[N / WORD_BYTES];                                                                                        \
  };                                                                                                                     \
  CK_RING_PROTOTYPE(message_##N, message_##N)                                                                            \
  static inline struct message_##N *slots_##N(void *queue) { return (struct message_##N *)((char *)queue + SLOTS_AT); }  \
  static void *queue_##N##_open(const group_role *r) {                                                                   \
    many_consumers = r->shared;                                                                                          \
    return share_file(r->path, SLOTS_AT + QUEUE_BYTES, false);                                                           \
  }                                                                                                                      \
  static void *queue_##N##_make(const group_role *r) {                                                                   \
    many_consumers = r->shared;                                                                                          \
    void *queue = share_file(r->path, SLOTS_AT + QUEUE_BYTES, true);                                                     \
    ck_ring_init((ck_ring_t *)queue, QUEUE_BYTES / N);                                                                   \
    return queue;                                                                                                        \
  }                                                                                                                      \
  static inline bool send_##N(void *queue, const work *k, double stamp) {                                                \
    unsigned ticket;                                                                                                     \
    struct message_##N *slot = ck_ring_enqueue_reserve_mpsc_message_##N((ck_ring_t *)queue, slots_##N(queue), &ticket);  \
    if (!slot) return false;                                                                                             \
    fill(k, (char *)slot, stamp);                                                                                        \
    ck_ring_enqueue_commit_mpsc((ck_ring_t *)queue, ticket); /* the same for mpmc */                                     \
    return true;                                                                                                         \
  }                                                                                                                      \
  static inline bool receive_##N(void *queue, char *copy) {                                                              \
    struct message_##N *to = (struct message_##N *)copy;                                                                 \
    return many_consumers ? ck_ring_dequeue_mpmc_message_##N((ck_ring_t *)queue, slots_##N(queue), to)                   \
                          : ck_ring_dequeue_mpsc_message_##N((ck_ring_t *)queue, slots_##N(queue), to);                  \
  }

GROUP_SIZES(CK_GROUP)
SHARED_QUEUE_MAIN
