// Concurrency Kit's ck_ring, single producer and consumer, in memory shared by two processes. The producer fills the
// slot in place (reserve, commit); a consumer of ck_ring can only copy a slot out.
#include "slots.h"
#include <ck_ring.h>

#define SLOTS_AT 4096

#define CK_PEER(N)                                                                                                       \
  struct message_##N {                                                                                                   \
    double words[N / WORD_BYTES];                                                                                        \
  };                                                                                                                     \
  CK_RING_PROTOTYPE(message_##N, message_##N)                                                                            \
  enum { queue_##N##_bytes = SLOTS_AT + N * SLOT_COUNT(N) };                                                             \
  static inline struct message_##N *slots_##N(void *queue) { return (void *)((char *)queue + SLOTS_AT); }                \
  static void queue_##N##_init(void *queue) { ck_ring_init(queue, SLOT_COUNT(N)); }                                      \
  static inline bool push_##N(void *queue, const work *k, double sequence) {                                             \
    struct message_##N *slot = ck_ring_enqueue_reserve_spsc_message_##N(queue, slots_##N(queue));                        \
    if (!slot) return false;                                                                                             \
    fill(k, (char *)slot, sequence);                                                                                     \
    ck_ring_enqueue_commit_spsc(queue);                                                                                    \
    return true;                                                                                                         \
  }                                                                                                                      \
  static inline bool pop_##N(void *queue, const work *k, double sequence, uint64_t *faults) {                            \
    static struct message_##N copy;                                                                                      \
    if (!ck_ring_dequeue_spsc_message_##N(queue, slots_##N(queue), &copy)) return false;                                 \
    if (!is_intact(k, (const char *)&copy, N, sequence)) ++*faults;                                                      \
    return true;                                                                                                         \
  }

SIZES(CK_PEER)
SLOTTED_MAIN
