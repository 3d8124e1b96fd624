/*
 * The resize protocol of packages/core/src/resize.ts and shared-region.ts: a file is cut only after every living member
 * has let go of what is cut. Members join and follow; coordinators, one after the other or at once, ask for any length and
 * may lose their patience at any moment. One of them all may be killed anywhere. By default one member and two
 * coordinators, with -DCROWD two members and one coordinator: two of each are more than a small machine can search.
 *
 * A lock is a byte that the kernel frees at a death: `locked` for a member's slot, `coordinator` for the right to resize.
 * Bells are left out: a member may look at any moment, and looks as long as there is something to see.
 *
 * Not modelled as a mutant: lookAround without its second load of the generation. Spin accepts it, because an answer
 * counts for its generation only.
 *
 * Mutants, each of which spin has to reject: ANSWER_FIRST, LOOK_BEFORE_SLOT, SAME_GENERATION, NO_HEIR.
 */
#define MEMBERS 2
#define LONGEST 3

byte generation;              /* odd while a resize is under way */
byte target;                  /* valid while the generation is odd */
byte file = LONGEST;          /* its length */
byte coordinator;             /* who holds the coordinator's lock, or 0 */
bool locked[MEMBERS];         /* the member's slot: it is alive */
byte answer[MEMBERS] = 1;     /* acknowledged generation; 1: left by a dead owner of the slot */
byte uses[MEMBERS];           /* bytes that the member may touch; 0 before it has mapped and after its death */
byte doomed;                  /* who makes no further step: a coordinator, 1 or 2, or a member, 3 or 4 */

bool unannounced;             /* the file was extended by somebody who has not said so, and may be dead */

/* Sets `seen` and `limit`: the generation and its target at one instant, LONGEST when none is under way. */
inline lookAround() {
  do
  :: atomic { seen = generation; limit = LONGEST };
     if
     :: seen & 1 ->
          limit = target;
          if
          :: generation == seen -> break
          :: else
          fi
     :: else -> break
     fi
  od
}

proctype Member(byte me) {
  byte seen, limit, length;
  {
#ifdef LOOK_BEFORE_SLOT
  lookAround();
  length = file;
#endif
  locked[me] = true;
  answer[me] = 0;
#ifndef LOOK_BEFORE_SLOT
  lookAround();
  length = file;
#endif
  atomic {
    uses[me] = (length < limit -> length : limit);
    assert(uses[me] <= file);
    seen = 255
  };

end_following:
  do
  :: generation != seen ->
       lookAround();
       if
       :: seen & 1 ->
#ifdef ANSWER_FIRST
            answer[me] = seen;
#endif
            atomic { uses[me] = (limit < uses[me] -> limit : uses[me]) };
#ifndef ANSWER_FIRST
            answer[me] = seen
#endif
       :: else ->
            length = file;
            atomic { uses[me] = length; assert(uses[me] <= file) }
       fi
#ifndef NO_HEIR
  /* The coordinator of what was answered is gone: end it in its stead. */
  :: (generation & 1) && generation == seen && coordinator == 0 ->
       atomic {
         if
         :: coordinator == 0 -> coordinator = 3 + me
         :: else -> goto end_following
         fi
       };
       if
       :: generation & 1 -> generation++
       :: else
       fi;
       coordinator = 0
#endif
  od
  } unless {
    atomic {
      doomed == 3 + me ->
        uses[me] = 0;
        locked[me] = false;
        coordinator = (coordinator == 3 + me -> 0 : coordinator)
    }
  }
}

proctype Coordinator(byte me) {
  byte wanted, mine;
  bool waitFor0, waitFor1;
  select(wanted : 1 .. LONGEST);
  {
    atomic { coordinator == 0 -> coordinator = me };
    if
    :: wanted > file -> atomic { file = wanted; unannounced = true }
    :: else
    fi;
#ifdef SAME_GENERATION
    mine = generation | 1;
#else
    mine = (generation | 1) + (generation & 1) * 2;
#endif
    target = wanted;
    atomic { generation = mine; unannounced = false };
    if
    :: wanted < file ->
         do
         :: waitFor0 = locked[0];
            waitFor1 = locked[1];
            /* Whoever joins from here on finds the generation. */
            if
            :: (!waitFor0 || answer[0] == mine) ->
                 if
                 :: (!waitFor1 || answer[1] == mine) ->
                      atomic { file = wanted; assert(uses[0] <= file && uses[1] <= file) };
                      break
                 :: else
                 fi
            :: else
            fi
         :: break /* out of patience */
         od
    :: else
    fi;
    generation = mine + 1;
    coordinator = 0
  } unless {
    atomic { doomed == me -> coordinator = (coordinator == me -> 0 : coordinator) }
  }
}

/* Kills one of them, or nobody. */
proctype Killer() {
  if
  :: doomed = 1
  :: doomed = 2
  :: doomed = 3
  :: doomed = 4
  :: skip
  fi
}

/* Nobody can make a step any more. */
proctype Judge() {
  timeout ->
    assert((generation & 1) == 0 || (!locked[0] && !locked[1]));
    /* Whoever dies between extending the file and saying so leaves it longer than it is used, which harms nobody. */
    assert(unannounced || ((!locked[0] || uses[0] == file) && (!locked[1] || uses[1] == file)))
}

init {
  atomic {
    run Member(0);
    run Coordinator(1);
#ifdef CROWD
    run Member(1);
#else
    run Coordinator(2);
#endif
    run Killer();
    run Judge()
  }
}
