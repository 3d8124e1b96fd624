// The work done with every message, the same in C and in TypeScript (src/workload.ts); a payload is 8-byte doubles.
//   Up to 64 bytes: the producer stores the sequence number into every word; the consumer checks the length, the first
//     word and the last.
//   Above: the producer copies a prepared source and stores the sequence number into word 0; the consumer checks the
//     length and word 0, reads one word of every following 64-byte line, and checks their sum.
// Doubles, because they are the one 8-byte word that JavaScript reads without allocating.
#pragma once
#include "harness.h"
#include <stdbool.h>

enum { WORD_BYTES = 8, LINE_WORDS = 8 };

typedef struct {
  double *source;
  uint32_t size, words;
  double expected_sum;
} work;

static inline double sum_lines(const double *payload, uint32_t words) {
  double sum = 0;
  for (uint32_t w = LINE_WORDS; w < words; w += LINE_WORDS) sum += payload[w];
  return sum;
}

static inline work work_create(uint32_t size) {
  work k = {.source = (double *)aligned_alloc(64, (size + 63) / 64 * 64), .size = size, .words = size / WORD_BYTES, .expected_sum = 0};
  for (uint32_t w = 0; w < k.words; w++) k.source[w] = w;
  k.expected_sum = sum_lines(k.source, k.words);
  return k;
}

// Volatile: one store a word, as in JavaScript, where the compiler does not make a single wide one of them.
static inline void number(const work *k, char *to, double sequence) {
  volatile double *payload = (volatile double *)to;
  payload[0] = sequence;
  if (k->words != LINE_WORDS) return;
  for (uint32_t w = 1; w < LINE_WORDS; w++) payload[w] = sequence;
}

static inline void fill(const work *k, char *to, double sequence) {
  if (k->words > LINE_WORDS) memcpy(to, k->source, k->size);
  number(k, to, sequence);
}

static inline bool is_intact(const work *k, const char *from, uint32_t length, double sequence) {
  const double *payload = (const double *)from;
  if (length != k->size || payload[0] != sequence) return false;
  if (k->words <= LINE_WORDS) return payload[k->words - 1] == sequence;
  return sum_lines(payload, k->words) == k->expected_sum;
}

// Of a zero-copy claim only word 0 is written, and read.
static inline void stamp(char *to, double sequence) { *(double *)to = sequence; }
static inline bool is_stamped(const work *k, const char *from, uint32_t length, double sequence) {
  return length == k->size && *(const double *)from == sequence;
}
