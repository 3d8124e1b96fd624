/*
 * The parking protocol of packages/core/src/parking.ts and waiting.ts: a producer and a consumer over a ring with room for
 * ROOM messages. Each sleeps when it has nothing to do and rings the other after each store of its position. One of them
 * may be killed at any moment.
 *
 * A sleep ends by a ring, or after a death: the slice of a blocked thread, or the end of the FIFO in an event loop. That a
 * slice also ends while everybody is alive is left out, for it would hide a missing ring.
 *
 * Mutants, each of which spin has to reject: LOOK_BEFORE_PUBLISH, NO_SECOND_LOOK, LATE_BELL, SAME_EPISODE, SILENT_DEATH.
 */
#ifndef MESSAGES
#define MESSAGES 3
#endif
#define ROOM 1
#define PRODUCER 0
#define CONSUMER 1

byte position[2];  /* messages published, messages consumed */
byte parked[2];    /* episode * 2 + asleep; written by its owner alone */
byte bell[2];      /* raised by each ring */
bool inFutex[2];   /* asleep in the kernel */
bool kill = false; /* the victim makes no further step */
bool dead[2];
byte victim;

/* What a side waits for; depends on the other's position. */
#define canGoOn(me) \
  ((me == PRODUCER && position[PRODUCER] - position[CONSUMER] < ROOM) || \
   (me == CONSUMER && position[PRODUCER] != position[CONSUMER]))

/* After the store of a position: ring the other if it sleeps in an episode that has not been rung yet. */
inline ringIfParked(other) {
#ifndef LOOK_BEFORE_PUBLISH
  seen = parked[other];
#endif
  if
  :: (seen & 1) && seen != rung ->
       rung = seen;
       bell[other]++;
       inFutex[other] = false
  :: else
  fi
}

inline park(me) {
#ifndef LATE_BELL
  rungBefore = bell[me];
#endif
#ifdef SAME_EPISODE
  parked[me] = 3;
#else
  parked[me] = (parked[me] | 1) + 2;
#endif
#ifdef LATE_BELL
  rungBefore = bell[me];
#endif
#ifdef NO_SECOND_LOOK
  met = false;
#else
  met = canGoOn(me);
#endif
  if
  :: met
  :: else ->
       atomic { inFutex[me] = (bell[me] == rungBefore) };
end_asleep:
       if
       :: !inFutex[me]
#ifndef SILENT_DEATH
       :: dead[1 - me] && !knowsOfDeath -> knowsOfDeath = true; inFutex[me] = false
#endif
       fi
  fi;
  parked[me] = parked[me] & 254
}

proctype Side(byte me) {
  byte rung, seen, rungBefore;
  bool met, knowsOfDeath;
  {
    do
    :: position[me] == MESSAGES -> break
    :: else ->
         met = canGoOn(me);
         if
         :: met ->
#ifdef LOOK_BEFORE_PUBLISH
              seen = parked[1 - me];
#endif
              position[me]++;
              ringIfParked(1 - me)
         :: else -> park(me)
         fi
    od
  } unless {
    atomic { kill && victim == me -> dead[me] = true }
  }
}

proctype Killer() {
end_spared:
  do
  :: kill = true; break
  :: break
  od
}

/* Nobody can make a step any more. */
proctype Judge() {
  timeout ->
    assert(dead[CONSUMER] || position[CONSUMER] == position[PRODUCER]);
    assert(dead[PRODUCER] || dead[CONSUMER] || position[PRODUCER] == MESSAGES);
    assert(dead[PRODUCER] || position[PRODUCER] == MESSAGES || position[PRODUCER] - position[CONSUMER] == ROOM)
}

init {
  atomic {
    if
    :: victim = PRODUCER
    :: victim = CONSUMER
    fi;
    run Side(PRODUCER);
    run Side(CONSUMER);
    run Killer();
    run Judge()
  }
}
