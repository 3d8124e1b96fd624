// boost::lockfree::spsc_queue in memory shared by two processes. A producer of it can only copy a message in, so it is
// numbered in the prepared source; the consumer reads in place.
#include "slots.h"
#include <boost/lockfree/spsc_queue.hpp>
#include <new>

template <uint32_t Size> struct message {
  double words[Size / WORD_BYTES];
};

template <uint32_t Size>
using queue_of = boost::lockfree::spsc_queue<message<Size>, boost::lockfree::capacity<SLOT_COUNT(Size)>>;

template <uint32_t Size> static inline bool push(void *queue, const work *k, double sequence) {
  number(k, reinterpret_cast<char *>(k->source), sequence);
  return static_cast<queue_of<Size> *>(queue)->push(*reinterpret_cast<const message<Size> *>(k->source));
}

template <uint32_t Size> static inline bool pop(void *queue, const work *k, double sequence, uint64_t *faults) {
  return static_cast<queue_of<Size> *>(queue)->consume_one([=](const message<Size> &slot) {
    if (!is_intact(k, reinterpret_cast<const char *>(&slot), Size, sequence)) ++*faults;
  });
}

#define BOOST_PEER(N)                                                                                                    \
  static constexpr size_t queue_##N##_bytes = sizeof(queue_of<N>);                                                       \
  static void queue_##N##_init(void *queue) { new (queue) queue_of<N>; }                                                 \
  static inline bool push_##N(void *queue, const work *k, double sequence) { return push<N>(queue, k, sequence); }       \
  static inline bool pop_##N(void *queue, const work *k, double sequence, uint64_t *faults) {                            \
    return pop<N>(queue, k, sequence, faults);                                                                           \
  }

SIZES(BOOST_PEER)
SLOTTED_MAIN
