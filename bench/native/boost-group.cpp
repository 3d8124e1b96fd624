// boost::lockfree::queue in memory shared by all processes: nodes of a fixed number, linked by index.
#include "shared-queue.h"
#include <boost/lockfree/queue.hpp>
#include <new>

static const bool waits_inside = false;
static void all_attached(const group_role *r) { (void)r; }

template <uint32_t Size> struct message {
  double words[Size / WORD_BYTES];
};

template <uint32_t Size>
using queue_of =
    boost::lockfree::queue<message<Size>, boost::lockfree::fixed_sized<true>, boost::lockfree::capacity<QUEUE_BYTES / Size>>;

template <uint32_t Size> static inline bool push(void *queue, const work *k, double stamp) {
  number(k, reinterpret_cast<char *>(k->source), stamp);
  return static_cast<queue_of<Size> *>(queue)->bounded_push(*reinterpret_cast<const message<Size> *>(k->source));
}

#define BOOST_GROUP(N)                                                                                                   \
  static void *queue_##N##_open(const group_role *r) { return share_file(r->path, sizeof(queue_of<N>), false); }         \
  static void *queue_##N##_make(const group_role *r) {                                                                   \
    return new (share_file(r->path, sizeof(queue_of<N>), true)) queue_of<N>;                                             \
  }                                                                                                                      \
  static inline bool send_##N(void *queue, const work *k, double stamp) { return push<N>(queue, k, stamp); }             \
  static inline bool receive_##N(void *queue, char *copy) {                                                              \
    return static_cast<queue_of<N> *>(queue)->pop(*reinterpret_cast<message<N> *>(copy));                                \
  }

GROUP_SIZES(BOOST_GROUP)
SHARED_QUEUE_MAIN
