// Writes to and takes from memlane work queues, in C. Written from docs/layouts.md alone, layout version 1. Beside
// memlane_ring.h, whose files, slots and bells it uses, and whose rules hold here too; define MEMLANE_RING_IMPLEMENTATION in
// the one place where that is wanted.
#ifndef MEMLANE_WORK_H
#define MEMLANE_WORK_H
#include "memlane_ring.h"

enum { MEMLANE_KIND_WORK = 4 };
#define MEMLANE_WORK_SIGNATURE 0xcda0b075u

typedef struct {
  uint32_t capacity, message_bytes, producers, consumers;
  uint32_t max_deliveries, start_position, words_offset, cells_offset;
  uint32_t data_offset, stride_bytes;
  uint8_t unused40[88];
} memlane_work_header;

typedef struct {
  memlane_word tail;
  uint8_t unused4[124];
  memlane_word head;
  uint8_t unused132[124];
  memlane_word returns;
  uint8_t unused260[124];
  memlane_word sleepers, more_sleepers[7];
  uint8_t unused416[96];
  memlane_word ended, more_ended[7];
  uint8_t unused544[96];
} memlane_work_words;

typedef struct {
  memlane_word state, due_seconds, due_ms;
  uint8_t unused12[4];
} memlane_work_cell;

typedef struct {
  int32_t not_length, type, deliveries;
  uint8_t unused12[4];
} memlane_work_message;

typedef struct {
  memlane_file file; // all of it is mapped
  uint32_t capacity, message_bytes, producers, consumers, max_deliveries, stride_bytes;
  memlane_work_words *words;
  memlane_work_cell *cells;
  uint8_t *data;
} memlane_queue;

// Opens a work queue by its path; by /proc/PID/fd/N when it has no name.
int memlane_open_queue(memlane_queue *queue, const char *path);
void memlane_close_queue(memlane_queue *queue);

// A producer or a consumer.
typedef struct {
  memlane_member member;
  memlane_queue *queue;
  uint32_t me; // the bits of a state that name it
  // Of a consumer.
  int32_t seen_returns;
  uint32_t unseen, next;  // cells still to be looked at for what was given back, and where to go on
  bool takes_ready;       // that look takes what is ready, too
  int64_t due_ms;         // of the first delayed message that it has met
  int64_t swept_ms;
  bool has_told;          // the others of the end
} memlane_worker;

int memlane_work_produce(memlane_worker *worker, memlane_queue *queue);
// Writes a message: 1, or 0 when the queue is full.
int memlane_work_write(memlane_worker *worker, const void *payload, uint32_t length, int32_t type);
// Waits until a message would find room: 1, or 0 when the time is over. -1 ms: for ever.
int memlane_work_wait_for_room(memlane_worker *worker, memlane_strategy strategy, int timeout_ms);
// Says that no more will come from this producer.
int memlane_work_end(memlane_worker *worker);

// A message that was taken: it is this consumer's until it is acknowledged or given back.
typedef struct {
  const uint8_t *payload;
  uint32_t length, index;
  int32_t type, deliveries;
} memlane_delivery;

int memlane_work_consume(memlane_worker *worker, memlane_queue *queue);
// Takes a message: 1, or 0 when there is none.
int memlane_work_take(memlane_worker *worker, memlane_delivery *delivery);
// Takes a dead letter, likewise. To acknowledge it frees it.
int memlane_work_take_dead(memlane_worker *worker, memlane_delivery *delivery);
int memlane_work_acknowledge(memlane_worker *worker, const memlane_delivery *delivery);
// Gives it back, to be taken again after that time; when it was delivered too often, as a dead letter.
int memlane_work_give_back(memlane_worker *worker, const memlane_delivery *delivery, int64_t delay_ms);
// Waits until there is something to take, or the end: 1, or 0 when the time is over.
int memlane_work_wait(memlane_worker *worker, memlane_strategy strategy, int timeout_ms);
// Whether no more will come, and everything is done with but what this consumer has taken.
int memlane_work_is_ended(memlane_worker *worker);
// Leaves; gives back what was taken and not settled.
void memlane_work_leave(memlane_worker *worker);

#endif

#ifdef MEMLANE_RING_IMPLEMENTATION

enum { ML_FREE, ML_WRITING, ML_READY, ML_CLAIMED, ML_RETURNED, ML_DELAYED, ML_DEAD, ML_STATE = 7 };
enum { ML_SWEEP_MS = 10, ML_MOST_TRIES = 10000 };
#define ML_LAP 0xfffc0000u
#define ML_OWNER 0x0003fff8u
#define ML_NOBODY (255u << 3)
#define ML_NEVER INT64_MAX

static uint32_t ml_lap(const memlane_queue *q, uint32_t position) { return position / q->capacity << 18; }
static uint32_t ml_slot_of(uint32_t state) { return state >> 3 & 255; }
static uint32_t ml_load(memlane_word *word) { return (uint32_t)atomic_load(word); }
static bool ml_swap(memlane_word *word, uint32_t from, uint32_t to) {
  int32_t expected = (int32_t)from;
  return atomic_compare_exchange_strong(word, &expected, (int32_t)to);
}
static memlane_work_message *ml_message(const memlane_queue *q, uint32_t index) {
  return (memlane_work_message *)(q->data + (size_t)index * q->stride_bytes);
}

// ---- Opening ---------------------------------------------------------------------------------------------------------------

static int ml_check_queue(memlane_queue *q, const memlane_superblock *s, const memlane_work_header *h) {
  memlane_file *f = &q->file;
  if (h->capacity < 2 || h->capacity > 1u << 20 || (h->capacity & (h->capacity - 1))) return ml_corrupt_file(f, "capacity");
  if (h->message_bytes > 1u << 30) return ml_corrupt_file(f, "messageBytes");
  if (h->producers < 1 || h->producers > 254) return ml_corrupt_file(f, "producers");
  if (h->consumers < 1 || h->consumers > 255 - h->producers) return ml_corrupt_file(f, "consumers");
  if (h->max_deliveries > INT32_MAX) return ml_corrupt_file(f, "maxDeliveries");
  const uint64_t stride = ml_up(sizeof(memlane_work_message) + (uint64_t)h->message_bytes, 64);
  if (stride * h->capacity > 1u << 30) return ml_corrupt_file(f, "messageBytes");
  const uint32_t slots = h->producers + h->consumers;
  const uint64_t words = ml_up(1024 + sizeof(memlane_slot) * slots, 128), cells = words + sizeof(memlane_work_words);
  const uint64_t data = ml_up(cells + sizeof(memlane_work_cell) * h->capacity, s->page_size);
  if (s->slot_count != slots) return ml_corrupt_file(f, "slotCount");
  if (s->slots_offset != 1024) return ml_corrupt_file(f, "slotsOffset");
  if (h->words_offset != words) return ml_corrupt_file(f, "wordsOffset");
  if (h->cells_offset != cells) return ml_corrupt_file(f, "cellsOffset");
  if (h->data_offset != data) return ml_corrupt_file(f, "dataOffset");
  if (h->stride_bytes != stride) return ml_corrupt_file(f, "strideBytes");
  if (s->file_length != (double)ml_up(data + stride * h->capacity, s->page_size)) return ml_corrupt_file(f, "fileLength");
  q->capacity = h->capacity;
  q->message_bytes = h->message_bytes;
  q->producers = h->producers;
  q->consumers = h->consumers;
  q->max_deliveries = h->max_deliveries;
  q->stride_bytes = h->stride_bytes;
  f->sleepers_offset = h->words_offset + (uint32_t)offsetof(memlane_work_words, sleepers);
  return 0;
}

int memlane_open_queue(memlane_queue *q, const char *path) {
  struct {
    memlane_superblock superblock;
    memlane_work_header header;
  } head = {0};
  memset(q, 0, sizeof *q);
  memlane_file *f = &q->file;
  const ssize_t got = ml_open_file(f, path, (uint8_t *)&head);
  int result = got < 0 ? (int)got : 0;
  if (!result) result = ml_check_superblock(f, &head.superblock, got, MEMLANE_KIND_WORK, MEMLANE_WORK_SIGNATURE);
  if (!result) result = ml_check_queue(q, &head.superblock, &head.header);
  if (!result) result = ml_map_head(f, (size_t)head.superblock.file_length);
  if (result) {
    ml_close_file(f);
    return result;
  }
  q->words = (memlane_work_words *)(f->head + head.header.words_offset);
  q->cells = (memlane_work_cell *)(f->head + head.header.cells_offset);
  q->data = f->head + head.header.data_offset;
  return 0;
}

void memlane_close_queue(memlane_queue *q) { ml_close_file(&q->file); }

// ---- What everybody may do with a cell ---------------------------------------------------------------------------------------

// Rings so many of those who sleep in a row of slots.
static int ml_wake_some(memlane_member *m, uint32_t first, uint32_t count, uint32_t most) {
  for (uint32_t slot = first; slot < first + count && most > 0; slot++) {
    // pairs with: the setting of the bit in ml_wait. without it: the last message before a sleep wakes nobody.
    if (!(ml_load(&ml_sleepers(m->file)[slot / 32]) >> slot % 32 & 1)) continue;
    const double rings = ml_slot(m->file, m->slot)->rings;
    const int result = ml_wake(m, slot);
    if (result < 0) return result;
    if (ml_slot(m->file, m->slot)->rings != rings) most--;
  }
  return 0;
}
static int ml_wake_producers(memlane_worker *w, uint32_t most) { return ml_wake_some(&w->member, 0, w->queue->producers, most); }
static int ml_wake_consumers(memlane_worker *w, uint32_t most) {
  return ml_wake_some(&w->member, w->queue->producers, w->queue->consumers, most);
}

// Replaces the state of a cell that is the worker's; its lap stays, which others may have raised meanwhile.
static int ml_settle(memlane_worker *w, uint32_t index, uint32_t from, uint32_t to) {
  memlane_word *word = &w->queue->cells[index].state;
  for (;;) {
    const uint32_t state = ml_load(word);
    if ((state & ~ML_LAP) != from) return ml_corrupt_file(&w->queue->file, "state");
    // pairs with: the loads in ml_find_new and ml_claim_cell. without it: a payload is read before it is written.
    if (ml_swap(word, state, (state & ML_LAP) | to)) return 0;
  }
}

// After the state: whoever sees the counter move finds what was given back.
static void ml_report_return(memlane_queue *q) { atomic_fetch_add(&q->words->returns, 1); }

static bool ml_is_exhausted(const memlane_queue *q, uint32_t index) {
  return q->max_deliveries > 0 && (uint32_t)ml_message(q, index)->deliveries >= q->max_deliveries;
}

static bool ml_is_held(uint32_t state) {
  const uint32_t what = state & ML_STATE;
  if (what == ML_WRITING || what == ML_CLAIMED) return true;
  return (what == ML_RETURNED || what == ML_DELAYED) && (state & ML_OWNER) != ML_NOBODY;
}

// Whether the owner of a cell is dead, has left, or has a successor.
static bool ml_is_gone(const memlane_queue *q, uint32_t state) {
  const uint32_t slot = ml_slot_of(state);
  if (slot >= q->file.slot_count) return true;
  const uint32_t generation = ml_load(&ml_slot(&q->file, slot)->generation); // first
  return (generation & 127) != (state >> 11 & 127) || !memlane_is_alive(&q->file, slot);
}

// Each step leaves a state that names the same dead owner, or the end of it; so several may do this at once, and die in it.
static void ml_recover_cell(memlane_queue *q, uint32_t index, uint32_t state, uint32_t *freed, uint32_t *returned) {
  memlane_word *word = &q->cells[index].state;
  const uint32_t lap = state & ML_LAP;
  if ((state & ML_STATE) == ML_WRITING) {
    if (ml_swap(word, state, lap | ML_FREE)) *freed += 1;
    return;
  }
  if ((state & ML_STATE) == ML_CLAIMED) {
    const bool is_dead = ml_is_exhausted(q, index);
    const uint32_t next = is_dead ? lap | ML_DEAD : lap | (state & ML_OWNER) | ML_RETURNED;
    if (!ml_swap(word, state, next) || is_dead) return;
    state = next;
  }
  ml_report_return(q);
  *returned += 1;
  ml_swap(word, state, (state & ~ML_OWNER) | ML_NOBODY); // last: until here somebody owes the report
}

// Gives back what the dead have left in any cell, now and then; whether it has looked.
static bool ml_sweep(memlane_worker *w) {
  memlane_queue *q = w->queue;
  const int64_t now = ml_now_ms(CLOCK_MONOTONIC);
  if (now - w->swept_ms < ML_SWEEP_MS) return false;
  w->swept_ms = now;
  uint32_t freed = 0, returned = 0;
  for (uint32_t index = 0; index < q->capacity; index++) {
    const uint32_t state = ml_load(&q->cells[index].state);
    if (ml_is_held(state) && ml_is_gone(q, state)) ml_recover_cell(q, index, state, &freed, &returned);
  }
  if (freed) ml_wake_producers(w, freed);
  if (returned) ml_wake_consumers(w, returned);
  return true;
}

static memlane_word *ml_ended_word(const memlane_queue *q, uint32_t slot) { return &q->words->ended + slot / 32; }

// ---- Attaching -------------------------------------------------------------------------------------------------------------

static int ml_attach(memlane_worker *w, memlane_queue *q, uint32_t first, uint32_t count, int32_t role) {
  memset(w, 0, sizeof *w);
  w->queue = q;
  w->due_ms = ML_NEVER;
  w->unseen = q->capacity; // what was given back before
  memlane_member *m = &w->member;
  int result = ml_begin(m, &q->file);
  if (!result) result = ml_take(m, first, count, NULL);
  if (!result) {
    // Everything that names the slot, before there is anybody else in it.
    uint32_t freed = 0, returned = 0, state;
    for (uint32_t index = 0; index < q->capacity; index++)
      // Again where somebody has raised the lap meanwhile.
      while (ml_is_held(state = ml_load(&q->cells[index].state)) && ml_slot_of(state) == m->slot)
        ml_recover_cell(q, index, state, &freed, &returned);
    if (role == 1) atomic_fetch_and(ml_ended_word(q, m->slot), (int32_t)~(1u << m->slot % 32));
    result = ml_enter(m, role);
  }
  if (result) {
    ml_drop(m);
    return result;
  }
  w->me = (ml_load(&ml_slot(&q->file, m->slot)->generation) & 127) << 11 | m->slot << 3;
  w->seen_returns = atomic_load(&q->words->returns);
  ml_wake_all(m, 0, q->file.slot_count);
  return 0;
}

int memlane_work_produce(memlane_worker *w, memlane_queue *q) { return ml_attach(w, q, 0, q->producers, 1); }
int memlane_work_consume(memlane_worker *w, memlane_queue *q) { return ml_attach(w, q, q->producers, q->consumers, 2); }

// ---- Writing ---------------------------------------------------------------------------------------------------------------

static bool ml_has_place(const memlane_queue *q) {
  for (;;) {
    const uint32_t tail = ml_load(&q->words->tail);
    for (uint32_t step = 0; step < q->capacity; step++) {
      const uint32_t position = tail + step;
      const uint32_t state = ml_load(&q->cells[position % q->capacity].state);
      if ((state & ML_LAP) == ml_lap(q, position)) continue;
      if ((state & ML_STATE) == ML_FREE) return true;
      if ((state & ML_STATE) == ML_READY) break;
    }
    if (ml_load(&q->words->tail) == tail) return false; // what was seen from an old tail says nothing
  }
}

// Helps the tail past a cell that was given the lap of a position; whether that was the tail's lap.
static bool ml_confirm(memlane_queue *q, uint32_t position) {
  if (ml_swap(&q->words->tail, position, position + 1)) return true;
  const int32_t ahead = ml_distance(ml_load(&q->words->tail), position);
  return ahead > 0 && ahead <= (int32_t)q->capacity;
}

// A cell that is the worker's from here on; -1 when there is no room.
static int64_t ml_claim_cell(memlane_worker *w) {
  memlane_queue *q = w->queue;
  uint32_t position = ml_load(&q->words->tail);
  bool has_searched = false;
  for (uint32_t tries = 0; tries < ML_MOST_TRIES + q->capacity; tries++) {
    const uint32_t index = position % q->capacity;
    memlane_word *word = &q->cells[index].state;
    // pairs with: ml_settle. without it: a payload is overwritten while it is being read.
    const uint32_t state = ml_load(word), lap = ml_lap(q, position), what = state & ML_STATE;
    if ((state & ML_LAP) == lap) {
      // Somebody has it already, and may have died before the tail was moved.
      ml_swap(&q->words->tail, position, position + 1);
      position = ml_load(&q->words->tail);
      continue;
    }
    if ((state & ML_LAP) != ml_lap(q, position - q->capacity)) {
      const uint32_t now = ml_load(&q->words->tail);
      if (now != position) {
        position = now;
        continue;
      }
    }
    if (what == ML_FREE) {
      if (!ml_swap(word, state, lap | w->me | ML_WRITING)) continue;
      if (ml_confirm(q, position)) return index;
      // Ahead of the tail, where nobody looks.
      const int result = ml_settle(w, index, w->me | ML_WRITING, ML_FREE);
      if (result) return result;
      position = ml_load(&q->words->tail);
      continue;
    }
    if (what == ML_READY || !has_searched) {
      // Not passed before there is room behind it: or each try of a full queue would move the tail by a round.
      if (!ml_has_place(q)) return -1;
      has_searched = true;
      const uint32_t now = ml_load(&q->words->tail);
      if (what == ML_READY || now != position) {
        position = now;
        continue;
      }
    }
    if (!ml_swap(word, state, lap | (state & ~ML_LAP))) continue;
    if (!ml_confirm(q, position)) ml_report_return(q);
    position += 1;
  }
  return -1;
}

int memlane_work_write(memlane_worker *w, const void *payload, uint32_t length, int32_t type) {
  memlane_queue *q = w->queue;
  if (length > q->message_bytes) return MEMLANE_TOO_LONG;
  const int64_t index = ml_claim_cell(w);
  if (index < -1) return (int)index;
  memlane_slot *s = ml_slot(&q->file, w->member.slot);
  if (index < 0) {
    s->refusals += 1;
    return 0;
  }
  memlane_work_message *message = ml_message(q, (uint32_t)index);
  *message = (memlane_work_message){(int32_t)~length, type, 0, {0}};
  memcpy(message + 1, payload, length);
  int result = ml_settle(w, (uint32_t)index, w->me | ML_WRITING, ML_READY);
  if (!result) result = ml_wake_consumers(w, 1);
  s->messages += 1;
  s->bytes += length;
  s->batches += 1;
  return result ? result : 1;
}

static int ml_has_place_now(void *self) {
  memlane_worker *w = self;
  if (ml_has_place(w->queue)) return 1;
  return ml_sweep(w) && ml_has_place(w->queue);
}

int memlane_work_wait_for_room(memlane_worker *w, memlane_strategy strategy, int timeout_ms) {
  return ml_wait(&w->member, ml_has_place_now, w, strategy, timeout_ms);
}

int memlane_work_end(memlane_worker *w) {
  // pairs with: the load in memlane_work_is_ended. without it: the end is seen before the last message.
  atomic_fetch_or(ml_ended_word(w->queue, w->member.slot), (int32_t)(1u << w->member.slot % 32));
  return ml_wake_consumers(w, w->queue->consumers);
}

// ---- Taking ----------------------------------------------------------------------------------------------------------------

static bool ml_take_cell(memlane_worker *w, uint32_t index, uint32_t state) {
  return ml_swap(&w->queue->cells[index].state, state, (state & ML_LAP) | w->me | ML_CLAIMED);
}

// Whether a delayed message may be taken; if not, when it may is remembered.
static bool ml_is_due(memlane_worker *w, uint32_t index) {
  memlane_work_cell *cell = &w->queue->cells[index];
  const int64_t due = (int64_t)atomic_load(&cell->due_seconds) * 1000 + atomic_load(&cell->due_ms);
  if (due <= ml_now_ms(CLOCK_REALTIME)) return true;
  if (due < w->due_ms) w->due_ms = due;
  return false;
}

// A new message: its cell, which is taken if that is wanted; or -1.
// The first position from `from` on whose message is ready by now; `end` when none before it is.
static uint32_t ml_first_ready(memlane_queue *q, uint32_t from, uint32_t end) {
  for (; from != end; from++) {
    const uint32_t state = ml_load(&q->cells[from % q->capacity].state);
    if ((state & (ML_LAP | ML_STATE)) == (ml_lap(q, from) | ML_READY)) break;
  }
  return from;
}

static int64_t ml_find_new(memlane_worker *w, bool takes) {
  memlane_queue *q = w->queue;
  uint32_t head = ml_load(&q->words->head), position = head;
  uint32_t writing = head; // before it nothing was being written
  uint32_t tries = ML_MOST_TRIES; // that others spoil by moving the head
  for (uint32_t steps = 0; steps <= 2 * q->capacity && tries > 0; steps++) {
    const uint32_t index = position % q->capacity;
    // pairs with: ml_settle. without it: a payload is read before it is written.
    const uint32_t state = ml_load(&q->cells[index].state), what = state & ML_STATE;
    if ((state & ML_LAP) == ml_lap(q, position)) {
      if (what == ML_READY) {
        if (!takes) return index;
        // A producer commits in order: what was being written may be ready by now, and comes first.
        const uint32_t first = ml_first_ready(q, writing, position);
        if (first != position) {
          position = first;
          continue;
        }
        if (!ml_take_cell(w, index, state)) continue;
        if (position == head) ml_swap(&q->words->head, head, head + 1);
        return index;
      }
      if (what != ML_WRITING && writing == position) writing += 1;
      if (position == head && what != ML_WRITING) ml_swap(&q->words->head, head++, position + 1);
      position += 1;
      continue;
    }
    const uint32_t now = ml_load(&q->words->head);
    if (position == head ? now != head : ml_distance(now, head) > 0) {
      // What an old head looks like says nothing.
      tries -= 1;
      steps = 0;
      head = position = writing = now;
      continue;
    }
    if ((state & ML_LAP) == ml_lap(q, position - q->capacity)) return -1;
    const uint32_t oldest = ml_load(&q->words->tail) - q->capacity;
    const uint32_t next = position == head && ml_distance(oldest, position) > 0 ? oldest : position + 1;
    if (position == head) {
      ml_swap(&q->words->head, head, next);
      head = next;
    }
    position = next;
  }
  return -1;
}

// Goes on with the look at all cells for what was given back.
static int64_t ml_find_returned(memlane_worker *w, bool takes) {
  memlane_queue *q = w->queue;
  while (w->unseen > 0) {
    const uint32_t index = w->next, state = ml_load(&q->cells[index].state), what = state & ML_STATE;
    if (what == ML_READY && w->takes_ready) {
      const int64_t in_turn = ml_find_new(w, takes); // only what is not found in its turn is taken out of turn
      if (in_turn >= 0) return in_turn;
    }
    if (what == ML_RETURNED || (what == ML_READY && w->takes_ready)) {
      if (!takes) return index;
      if (!ml_take_cell(w, index, state)) continue;
      return index;
    }
    if (what == ML_DELAYED && ml_is_due(w, index)) {
      if (!takes) return index;
      if (!ml_take_cell(w, index, state)) continue;
      if (ml_is_due(w, index)) return index;
      // Taken and given back again, for later, since the first look.
      const int result = ml_settle(w, index, w->me | ML_CLAIMED, w->me | ML_DELAYED);
      if (result) return result;
      ml_report_return(q);
    }
    w->unseen -= 1;
    w->next = (index + 1) % q->capacity;
  }
  w->takes_ready = false;
  return -1;
}

static int64_t ml_find(memlane_worker *w, bool takes) {
  // pairs with: ml_report_return. without it: what was given back behind the head is never found.
  const int32_t returns = atomic_load(&w->queue->words->returns);
  if (returns != w->seen_returns || w->due_ms <= ml_now_ms(CLOCK_REALTIME)) {
    w->seen_returns = returns;
    w->unseen = w->queue->capacity;
    w->due_ms = ML_NEVER;
  }
  const int64_t index = ml_find_returned(w, takes);
  return index != -1 ? index : ml_find_new(w, takes);
}

// The same, and once more after the dead have been looked for.
static int64_t ml_search(memlane_worker *w, bool takes) {
  const int64_t index = ml_find(w, takes);
  if (index != -1 || !ml_sweep(w)) return index;
  w->unseen = w->queue->capacity;
  w->takes_ready = true;
  w->due_ms = ML_NEVER;
  return ml_find(w, takes);
}

static int ml_deliver(memlane_worker *w, uint32_t index, memlane_delivery *delivery) {
  memlane_work_message *message = ml_message(w->queue, index);
  const uint32_t length = ~(uint32_t)message->not_length;
  *delivery = (memlane_delivery){(uint8_t *)(message + 1), length, index, message->type, message->deliveries};
  if (length <= w->queue->message_bytes) return 1;
  memlane_work_give_back(w, delivery, 0); // to end among the dead letters
  return ml_corrupt_file(&w->queue->file, "length");
}

int memlane_work_take(memlane_worker *w, memlane_delivery *delivery) {
  const int64_t index = ml_search(w, true);
  if (index < 0) return index == -1 ? 0 : (int)index;
  ml_message(w->queue, (uint32_t)index)->deliveries += 1;
  const int woken = ml_wake_producers(w, 1); // there may be room behind it
  return woken ? woken : ml_deliver(w, (uint32_t)index, delivery);
}

int memlane_work_take_dead(memlane_worker *w, memlane_delivery *delivery) {
  for (uint32_t index = 0; index < w->queue->capacity; index++) {
    const uint32_t state = ml_load(&w->queue->cells[index].state);
    if ((state & ML_STATE) == ML_DEAD && ml_take_cell(w, index, state)) return ml_deliver(w, index, delivery);
  }
  return 0;
}

int memlane_work_acknowledge(memlane_worker *w, const memlane_delivery *delivery) {
  const int result = ml_settle(w, delivery->index, w->me | ML_CLAIMED, ML_FREE);
  memlane_slot *s = ml_slot(&w->queue->file, w->member.slot);
  s->messages += 1;
  s->bytes += delivery->length;
  return result ? result : ml_wake_producers(w, 1);
}

int memlane_work_give_back(memlane_worker *w, const memlane_delivery *delivery, int64_t delay_ms) {
  const uint32_t index = delivery->index;
  if (ml_is_exhausted(w->queue, index)) return ml_settle(w, index, w->me | ML_CLAIMED, ML_DEAD);
  memlane_work_cell *cell = &w->queue->cells[index];
  const int64_t due = ml_now_ms(CLOCK_REALTIME) + delay_ms;
  if (delay_ms > 0) {
    atomic_store(&cell->due_seconds, (int32_t)(due / 1000));
    atomic_store(&cell->due_ms, (int32_t)(due % 1000));
  }
  const int result = ml_settle(w, index, w->me | ML_CLAIMED, w->me | (delay_ms > 0 ? ML_DELAYED : ML_RETURNED));
  if (result) return result;
  ml_report_return(w->queue);
  return ml_wake_consumers(w, 1);
}

int memlane_work_is_ended(memlane_worker *w) {
  memlane_queue *q = w->queue;
  bool is_ended = false;
  for (uint32_t slot = 0; slot < q->producers; slot++) {
    // pairs with: the store in memlane_work_end. The producers first, then the messages.
    if (ml_load(ml_ended_word(q, slot)) >> slot % 32 & 1) is_ended = true;
    else if (memlane_is_alive(&q->file, slot)) return 0;
  }
  if (!is_ended) return 0;
  for (uint32_t index = 0; index < q->capacity; index++) {
    const uint32_t state = ml_load(&q->cells[index].state), what = state & ML_STATE;
    if (what == ML_READY || what == ML_RETURNED || what == ML_DELAYED) return 0;
    if (what == ML_CLAIMED && (state & ML_OWNER) != w->me) return 0;
  }
  // The others sleep, and were not rung for what was done with last.
  if (!w->has_told) ml_wake_consumers(w, q->consumers);
  w->has_told = true;
  return 1;
}

static int ml_has_work(void *self) {
  const int64_t index = ml_search(self, false);
  return index < -1 ? (int)index : index >= 0 ? 1 : memlane_work_is_ended(self);
}

int memlane_work_wait(memlane_worker *w, memlane_strategy strategy, int timeout_ms) {
  return ml_wait(&w->member, ml_has_work, w, strategy, timeout_ms);
}

void memlane_work_leave(memlane_worker *w) {
  for (uint32_t index = 0; w->member.ropes && index < w->queue->capacity; index++) {
    const uint32_t state = ml_load(&w->queue->cells[index].state);
    if ((state & ~ML_LAP) == (w->me | ML_CLAIMED)) memlane_work_give_back(w, &(memlane_delivery){.index = index}, 0);
  }
  ml_leave(&w->member);
}

#endif
