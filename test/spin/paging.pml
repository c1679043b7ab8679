/* SPDX-License-Identifier: MIT
 *
 * The protocol between programs, vm, reclaim, rmap and the disk driver (docs/pagers.md), for spin.
 *
 * Pages are shared copy-on-write by all processes; page s has slot s. Each step of vm and of programs is one call of the
 * kernel or one access to memory that servers share; between two of them the more urgent ones may do anything: reclaim
 * a quantum, the driver a transfer, a killer ends a process. Rings hold RING records and overflow. reclaim may be killed
 * at any step and starts again (RESTARTS times).
 *
 * Checked: a slot's count is never lower than the number of its tokens; a page that somebody has a token of is in a
 * frame that the slot names or on the disk, and what is there is what was last written; nobody waits for ever (invalid
 * end state); when all programs have ended everything has been given back.
 *
 * -DMUTANT=n makes one rule wrong, and spin must find it (test/host/spin/test_spin.py):
 *	1 vm subtracts from the count before the token is gone	2 vm and reclaim wait until the other has taken what they said
 *	3 vm does not notice that answers were lost		4 a clean frame is dropped without a look at ON_DISK
 *	5 the frame is named after its tokens are out		6 vm does not ask again when reclaim has started again
 */
#ifndef PROCS
#define PROCS 2
#endif
#ifndef PAGES
#define PAGES 2
#endif
#ifndef FRAMES
#define FRAMES 1
#endif
#ifndef RING
#define RING 1
#endif
#ifndef TOUCHES
#define TOUCHES 2
#endif
#ifndef WRITES
#define WRITES 1
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef RESTARTS
#define RESTARTS 0
#endif
#ifndef MUTANT
#define MUTANT 0
#endif

#define NONE 0 /* entries */
#define LEAF 1
#define TOKEN 2
#define FREE 0 /* frames */
#define OWNED 1
#define EVICTING 2
#define HAND 3 /* reclaim's, for a read */
#define FORK 10 /* what a program wants of vm: a page + 1, or */
#define EXIT 11
#define MEMORY 9 /* what a parked fault waits for: a page + 1, or */

/* ---- the kernel's: page tables and the frame table. Page s has one frame at a time. */
byte ent[PROCS * PAGES];
#define E(p, s) ent[(p) * PAGES + (s)]
byte tok[PAGES], mapped[PAGES], frame[PAGES], room = FRAMES;
bit swapcache[PAGES], dirty[PAGES], writeback[PAGES];
bit stale[PAGES]; /* the disk's copy is not what was written last */

/* ---- the slot table, shared by vm and reclaim */
byte count[PAGES];
bit used[PAGES], named[PAGES], ondisk[PAGES], busy[PAGES];

/* ---- rings and notifications */
#define ANY_PAGE 5 /* records: a page, or */
#define FRAMES_WANTED 5
#define FRAMES_THERE 5
#define NO_PROGRESS 6
chan requests = [RING] of { byte };
chan answers = [RING] of { byte };
chan emptied = [RING] of { byte };
bit answers_over, emptied_over, vm_note, rc_note;
chan disk = [1] of { byte, bit };
chan done = [1] of { byte, bit };
byte starts = 1;
bit driver_has;
bit uncounted[PAGES]; /* no memory of anybody: what fork has copied and not counted yet */

/* ---- programs */
bit alive[PROCS], write_wanted[PROCS], kill_wanted[PROCS], forked;
byte want[PROCS], parked[PROCS], ended, giving_up;

inline page_kept(s) /* nothing that somebody has a token of is lost */
{
	assert(count[s] + uncounted[s] >= tok[s]);
	assert(!tok[s] || (named[s] && frame[s] != FREE && frame[s] != HAND) || ondisk[s])
}

#define ALL_ENDED (ended == PROCS)

proctype Program(byte p)
{
	byte n = 0, s;
	bit w;

	p == 0 || forked || ended; /* born, or never will be */
	do
	:: alive[p] && n < TOUCHES ->
		if
		:: s = 0
		:: s = PAGES - 1
		fi;
#if WRITES
		if
		:: w = 0
		:: w = 1
		fi;
#endif
	again:	atomic {
			if
			:: !alive[p] -> goto dead
			:: alive[p] && E(p, s) == LEAF && (!w || (!swapcache[s] && mapped[s] == 1)) ->
				dirty[s] = dirty[s] | w;
				stale[s] = stale[s] | w;
				n++;
				goto next
			:: else ->
				write_wanted[p] = w;
				want[p] = s + 1
			fi
		};
		(want[p] == 0 || !alive[p]);
		write_wanted[p] = 0;
		if
		:: w && alive[p] && mapped[s] + count[s] > 1 -> w = 0 /* shared: the copy is not modelled */
		:: else
		fi;
		goto again;
	next:	atomic { s = 0; w = 0; write_wanted[p] = 0 }
	:: alive[p] && p == 0 && !forked ->
		want[p] = FORK;
		(want[p] == 0 || !alive[p])
	:: alive[p] && n == TOUCHES && (p || forked) ->
		want[p] = EXIT;
		!alive[p]
	:: !alive[p] -> break
	od;
dead:	atomic { ended++; s = 0; w = 0; n = 0; write_wanted[p] = 0 }
}

proctype Killer()
{
	if
	:: kill_wanted[0] = 1
	:: kill_wanted[PROCS - 1] = 1
	:: skip
	fi
}

/* ---- vm */

inline emptied_put(s)
{
	if
	:: nfull(emptied) -> emptied ! s
	:: full(emptied) -> emptied_over = 1
	fi
}

inline count_down(s)
{
	atomic {
		assert(count[s] > 0);
		count[s]--;
		if
		:: count[s] == 0 -> emptied_put(s)
		:: else
		fi
	}
}

inline ask(what) /* `sent` */
{
	atomic {
		if
		:: nfull(requests) -> requests ! what; sent = 1
		:: full(requests) -> sent = 0
		fi;
		rc_note = 1
	}
#if MUTANT == 2
	;empty(requests)
#endif
}

inline process_end(p)
{
	s = 0;
	do
	:: s < PAGES ->
#if MUTANT == 1
		if
		:: E(p, s) == TOKEN -> count_down(s)
		:: else
		fi;
#endif
		atomic { /* unmap: one call */
			was = E(p, s);
			E(p, s) = NONE;
			if
			:: was == TOKEN -> tok[s]--
			:: was == LEAF ->
				mapped[s]--;
				if
				:: mapped[s] == 0 && !swapcache[s] && !writeback[s] -> frame[s] = FREE; room++
				:: else
				fi
			:: else
			fi
		};
		if
#if MUTANT != 1
		:: was == TOKEN -> count_down(s)
#endif
		:: was == LEAF && swapcache[s] && !mapped[s] && !count[s] -> atomic { emptied_put(s) }
		:: else
		fi;
		s++
	:: else -> break
	od;
	atomic {
		alive[p] = 0;
		want[p] = 0;
		parked[p] = 0;
		rc_note = 1;
		was = NONE
	}
}

inline fork_do()
{
	s = 0;
	do
	:: s < PAGES ->
		atomic { /* clone: one call */
			was = E(0, s);
			E(1, s) = was;
			mapped[s] = mapped[s] + (was == LEAF);
			tok[s] = tok[s] + (was == TOKEN);
			uncounted[s] = was == TOKEN
		};
		/* Before the child runs. The parent's token is counted: nobody can see 0 in between. */
		atomic { count[s] = count[s] + uncounted[s]; uncounted[s] = 0 };
		s++
	:: else -> break
	od;
	atomic { forked = 1; alive[1] = 1; want[0] = 0; was = NONE }
}

/* A fault of p on page s. */
inline fault_do(p)
{
	s = want[p] - 1;
	if
	:: E(p, s) == NONE -> /* the first touch */
		atomic {
			if
			:: room > 0 && frame[s] == FREE && !used[s] ->
				room--; frame[s] = OWNED; mapped[s] = 1; dirty[s] = 1; stale[s] = 1;
				E(p, s) = LEAF; want[p] = 0
			:: room > 0 && !(frame[s] == FREE && !used[s]) -> want[p] = 0 /* its last life is not over */
			:: room == 0 -> parked[p] = MEMORY
			fi
		};
		if
		:: parked[p] == MEMORY && !asked -> ask(FRAMES_WANTED); asked = sent
		:: else
		fi
	:: E(p, s) == TOKEN && !named[s] ->
		ask(s);
		atomic {
			if
			:: sent -> parked[p] = s + 1
			:: else -> want[p] = 0 /* full: the thread faults again */
			fi;
			sent = 0
		}
	:: E(p, s) == TOKEN && named[s] ->
#if MUTANT == 1
		count_down(s);
#endif
		atomic { /* map IF_TOKEN, read-only; the frame's reference may be stale by now */
			if
			:: write_wanted[p] && count[s] == 1 && !mapped[s] &&
			   (frame[s] == EVICTING || (frame[s] == OWNED && swapcache[s])) -> /* UNCACHE */
				giving_up = s + 1; /* said before */
				frame[s] = OWNED; mapped[s] = 1; E(p, s) = LEAF; tok[s]--; was = TOKEN;
				swapcache[s] = 0; dirty[s] = 1
			:: frame[s] == EVICTING || (frame[s] == OWNED && swapcache[s]) ->
				frame[s] = OWNED; mapped[s]++; E(p, s) = LEAF; tok[s]--; was = TOKEN
			:: else
			fi
		};
		if
#if MUTANT != 1
		:: was == TOKEN -> count_down(s)
#endif
		:: else
		fi;
		atomic { want[p] = 0; was = NONE; giving_up = 0 }
	:: E(p, s) == LEAF ->
		if
		:: write_wanted[p] && swapcache[s] && count[s] == 0 && mapped[s] == 1 ->
			atomic { /* SWAPCACHE_CLEAR */
				if
				:: frame[s] == OWNED -> swapcache[s] = 0; dirty[s] = 1; emptied_put(s)
				:: else
				fi
			};
			rc_note = 1
		:: else
		fi;
		want[p] = 0
	fi;
	s = 0
}

inline unpark(p, what) /* 0: everybody */
{
	if
	:: parked[p] && (what == 0 || parked[p] == what) -> parked[p] = 0; want[p] = 0
	:: else
	fi
}

inline unpark_all(what)
{
	atomic { unpark(0, what); unpark(1, what) }
}

proctype Vm()
{
	byte s, was, what, seen = 1;
	bit sent, asked, lost;

end:	do
	:: atomic { vm_note -> vm_note = 0 };
		atomic {
			lost = answers_over;
			answers_over = 0;
#if MUTANT == 3
			lost = 0;
#endif
#if MUTANT != 6
			lost = lost | (seen != starts);
			seen = starts
#endif
		};
		do
		:: answers ? what ->
			if
			:: what < PAGES -> unpark_all(what + 1)
			:: what == FRAMES_THERE -> asked = 0; unpark_all(MEMORY)
			:: what == NO_PROGRESS ->
				asked = 0;
				if
				:: parked[0] == MEMORY -> process_end(0)
				:: parked[1] == MEMORY -> process_end(1)
				:: else
				fi;
				unpark_all(MEMORY)
			fi;
			what = 0
		:: empty(answers) -> break
		od;
		if
		:: lost -> asked = 0; lost = 0; unpark_all(0)
		:: else
		fi;
		/* Who came to wait while the ring was full. */
		if
		:: !asked && (parked[0] == MEMORY || parked[1] == MEMORY) -> ask(FRAMES_WANTED); asked = sent
		:: else
		fi;
		s = 0;
		sent = 0
	:: want[0] == FORK -> fork_do(); s = 0
	:: want[0] == EXIT || (kill_wanted[0] && alive[0]) -> process_end(0); s = 0
	:: want[1] == EXIT || (kill_wanted[1] && alive[1]) -> process_end(1); s = 0
	:: want[0] && want[0] <= PAGES && !parked[0] && alive[0] -> fault_do(0)
	:: want[1] && want[1] <= PAGES && !parked[1] && alive[1] -> fault_do(1)
	od
}

/* ---- reclaim */

inline may_die()
{
#if RESTARTS
	if
	:: restarts > 0 -> restarts--; goto recover
	:: skip
	fi
#else
	skip
#endif
}

inline answer(what)
{
	atomic {
		if
		:: nfull(answers) -> answers ! what
		:: full(answers) -> answers_over = 1
		fi;
		vm_note = 1
	}
#if MUTANT == 2
	;empty(answers)
#endif
}

inline slot_free(s)
{
	assert(!tok[s]);
	used[s] = 0;
	ondisk[s] = 0
}

/* What is left of a slot whose count or frame has changed. */
inline settle(s)
{
	if
	:: used[s] && !busy[s] && count[s] == 0 ->
		if
		:: !named[s] -> atomic { slot_free(s) }
		:: named[s] && !swapcache[s] -> atomic { named[s] = 0; slot_free(s) }
		:: named[s] && swapcache[s] && !mapped[s] ->
			named[s] = 0;
			may_die();
			atomic { assert(!mapped[s]); frame[s] = FREE; swapcache[s] = 0; room++; slot_free(s) }
		:: named[s] && swapcache[s] && mapped[s] -> /* kept, or given up */
			if
			:: skip
			:: atomic { /* SWAPCACHE_CLEAR */
				if
				:: frame[s] == OWNED ->
					named[s] = 0; swapcache[s] = 0; dirty[s] = 1; left = !mapped[s]; slot_free(s)
				:: else
				fi
			};
			if /* unmapped just before: vm has left it to reclaim */
			:: left -> atomic { frame[s] = FREE; room++; left = 0 }
			:: else
			fi
			fi
		fi
	:: else
	fi
}

/* Free a frame whose page is on the disk, unless it is rescued. */
inline cached_free(s)
{
	named[s] = 0;
	may_die();
	atomic {
		if
		:: frame[s] == EVICTING ->
			assert(!stale[s] || !tok[s]);
			frame[s] = FREE; swapcache[s] = 0; room++
		:: else -> named[s] = 1
		fi
	};
	settle(s)
}

/* It is EVICTING: drop it, or write it. */
inline evicted_out(s)
{
	if
#if MUTANT == 4
	:: !dirty[s] || !ondisk[s] -> cached_free(s)
#else
	:: !dirty[s] && ondisk[s] -> cached_free(s)
#endif
	:: else ->
		if
		:: !transfer && !busy[s] ->
			atomic { ondisk[s] = 0; busy[s] = 1 };
			may_die();
			atomic { /* BEGIN: not a mapped frame */
				if
				:: frame[s] == EVICTING -> writeback[s] = 1; dirty[s] = 0; transfer = 1
				:: else -> busy[s] = 0
				fi
			};
			may_die();
			if
			:: writeback[s] && transfer -> disk ! s, 1
			:: else -> settle(s)
			fi
		:: else
		fi
	fi
}

inline page_out(s)
{
	places = mapped[s]; /* rmap says where; a hint */
	fresh = !swapcache[s];
	if
	:: places && !busy[s] && !(fresh && used[s]) ->
		used[s] = 1;
		may_die();
		count[s] = count[s] + places;
#if MUTANT != 5
		named[s] = 1;
#endif
		may_die();
		atomic { /* evict: all places or none */
			if
			:: frame[s] == OWNED && mapped[s] == places && swapcache[s] == !fresh ->
				p = 0;
				do
				:: p < PROCS ->
					if
					:: E(p, s) == LEAF -> E(p, s) = TOKEN; tok[s]++
					:: else
					fi;
					p++
				:: else -> break
				od;
				mapped[s] = 0; frame[s] = EVICTING; swapcache[s] = 1;
#if MUTANT == 5
#else
				page_kept(s);
#endif
				places = 0
			:: else
			fi;
			p = 0
		};
		may_die();
#if MUTANT == 5
		page_kept(s);
		named[s] = 1;
#endif
		if
		:: places == 0 -> evicted_out(s)
		:: else ->
			atomic { assert(count[s] >= places); count[s] = count[s] - places };
			if
			:: fresh -> atomic { named[s] = 0; assert(!count[s]); slot_free(s) }
			:: else -> settle(s)
			fi
		fi
	:: else
	fi;
	places = 0;
	fresh = 0
}

#define EVICTABLE(s) (frame[s] == OWNED && mapped[s] && !busy[s] && !(used[s] && !swapcache[s]))
#define CACHED(s) (swapcache[s] && !mapped[s] && !busy[s] && frame[s] != FREE)

inline frame_look(s)
{
	if
	:: EVICTABLE(s) -> page_out(s)
	:: CACHED(s) && count[s] == 0 -> settle(s)
	:: CACHED(s) && count[s] ->
		atomic { /* evict with 0 places, if an unmap left it */
			if
			:: frame[s] == OWNED && !mapped[s] && swapcache[s] -> frame[s] = EVICTING
			:: else
			fi
		};
		evicted_out(s)
	:: else
	fi
}

inline transfer_done()
{
	transfer = 0;
	if
	:: write ->
		atomic { /* END */
			writeback[s] = 0;
			busy[s] = 0;
			if
			:: swapcache[s] -> ondisk[s] = 1; stale[s] = 0
			:: !swapcache[s] && !mapped[s] && frame[s] == OWNED -> /* written for nobody */
				named[s] = 0; frame[s] = FREE; room++
			:: else -> named[s] = 0
			fi
		};
		may_die();
		if
		:: swapcache[s] && count[s] -> cached_free(s)
		:: else -> settle(s)
		fi
	:: else ->
		may_die();
		atomic { /* evict with 0 places: the frame is the slot's */
			if
			:: count[s] -> assert(!stale[s]); frame[s] = EVICTING; swapcache[s] = 1; dirty[s] = 0
			:: else -> frame[s] = FREE; room++
			fi
		};
		may_die();
		atomic { named[s] = frame[s] == EVICTING; busy[s] = 0 };
		pending[s] = 0;
		answer(s);
		settle(s)
	fi
}

inline page_in(s)
{
	if
	:: pending[s] && (named[s] || !used[s] || !count[s]) -> pending[s] = 0; answer(s)
	:: pending[s] && !named[s] && used[s] && count[s] && !busy[s] && ondisk[s] && !transfer && room ->
		atomic {
			if
			:: room > 0 && frame[s] == FREE -> room--; frame[s] = HAND; busy[s] = 1; transfer = 1
			:: else
			fi
		};
		may_die();
		if
		:: frame[s] == HAND && transfer -> disk ! s, 0
		:: else
		fi
	:: else
	fi
}

#define EACH(do_it) s = 0; do_it(s); s = PAGES - 1; do_it(s)

inline request_take()
{
	if
	:: what < PAGES -> pending[what] = 1
	:: else -> need = 1
	fi
}

#define WAITS (need || ((pending[0] || pending[PAGES - 1]) && !transfer))
#define CAN (EVICTABLE(0) || EVICTABLE(PAGES - 1) || CACHED(0) || CACHED(PAGES - 1))

proctype Reclaim()
{
	byte s, p, what, places;
	bit pending[PAGES], need, transfer, fresh, write, left;
#if RESTARTS
	byte restarts = RESTARTS;
#endif

end:	do
	:: atomic { rc_note -> rc_note = 0; /* more urgent than vm: to its end */
		if
		:: emptied_over -> emptied_over = 0; EACH(settle)
		:: else
		fi;
		do
		:: emptied ? s -> settle(s)
		:: empty(emptied) -> break
		od;
		do
		:: requests ? what -> request_take()
		:: empty(requests) -> break
		od;
		if
		:: done ? s, write -> transfer_done()
		:: empty(done)
		fi;
		EACH(page_in);
		if
		:: WAITS && room == 0 && !transfer ->
			if
			:: s = 0
			:: s = PAGES - 1
			fi;
			frame_look(s)
		:: else
		fi;
		EACH(page_in);
		if
		:: need && room > 0 -> need = 0; answer(FRAMES_THERE)
		:: need && room == 0 && !transfer && !CAN ->
			need = 0;
			answer(NO_PROGRESS);
			if
			:: pending[0] -> pending[0] = 0; answer(0)
			:: else
			fi;
			if
			:: pending[PAGES - 1] -> pending[PAGES - 1] = 0; answer(PAGES - 1)
			:: else
			fi
		:: else
		fi;
		if
		:: WAITS && !transfer -> rc_note = 1 /* the next quantum */
		:: else
		fi;
		may_die();
		s = 0; what = 0; write = 0 }
	od;
#if RESTARTS
recover:
	/* What the driver has, it ends first: a frame with pins stays where it is. */
	atomic { p = 0; places = 0; fresh = 0; need = 0; what = 0; pending[0] = 0; pending[PAGES - 1] = 0 };
	do
	:: transfer && (writeback[0] || writeback[PAGES - 1] || frame[0] == HAND || frame[PAGES - 1] == HAND) &&
	   (driver_has || nempty(disk) || nempty(done)) -> done ? s, write
	:: else -> break
	od;
	transfer = 0;
	s = 0;
	do
	:: s < PAGES ->
		atomic {
			busy[s] = 0;
			if
			:: writeback[s] ->
				writeback[s] = 0; dirty[s] = 1;
				if
				:: !mapped[s] && !swapcache[s] && frame[s] == OWNED -> frame[s] = FREE; room++
				:: else
				fi
			:: else
			fi;
			if
			:: frame[s] == HAND -> frame[s] = FREE; room++
			:: else
			fi;
			named[s] = swapcache[s];
			used[s] = used[s] | swapcache[s]
		};
		/* Counted for an evict that never came. */
		atomic {
			if
			:: used[s] && !ondisk[s] && !named[s] && giving_up != s + 1 -> assert(!tok[s]); count[s] = 0; used[s] = 0
			:: else
			fi
		};
		s++
	:: else -> break
	od;
	EACH(settle);
	atomic { starts++; vm_note = 1; rc_note = 1; s = 0; write = 0 };
	goto end
#endif
}

/* ---- the driver: every request is answered once */

proctype Driver()
{
	byte s;
	bit write;

end:	do
	:: atomic { disk ? s, write -> driver_has = 1 };
		atomic { done ! s, write; driver_has = 0; rc_note = 1; s = 0; write = 0 }
	od
}

/* When nothing moves any more. */
proctype Rest()
{
	byte s;

	timeout;
	assert(ALL_ENDED);
	s = 0;
	do
	:: s < PAGES ->
		assert(!tok[s] && !mapped[s] && !writeback[s]);
#if !RESTARTS
		assert(!count[s] && !used[s] && frame[s] == FREE);
#endif
		s++
	:: else -> break
	od;
#if !RESTARTS
	assert(room == FRAMES)
#endif
}

init
{
	atomic {
		alive[0] = 1;
		run Program(0);
		run Program(1);
#if KILLS
		run Killer();
#endif
		run Vm();
		run Reclaim();
		run Driver();
		run Rest()
	}
}
