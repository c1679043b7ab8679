// SPDX-License-Identifier: MIT
// The fuzzer: random calls whose arguments have the right shape most of the time, so that they get past the first
// check.
#include "kfuzz.h"

#include <trap.h>

#define FRAMES   64
#define MAPPINGS 32

static u64 state;
static frame_t frames[FRAMES]; // references it has seen, some of them stale by now
static u64 replies[8];         // reply words it has seen
static u64 ids[2];             // of the two address spaces
static struct {
	frame_t frame;
	u64 pool, space, va;
} mappings[MAPPINGS]; // it has made, some of them gone by now

static u64 below(u64 n)
{
	return splitmix(&state) % n;
}

static bool one_in(u64 n)
{
	return !below(n);
}

// What an argument is.
enum shape {
	NONE,
	POOL,
	ASPACE,
	TABLE,
	THREAD,
	ENDPOINT,
	NOTIFY,
	SYSTEM,
	DEVICE,
	CAP,   // any
	SLOT,  // of the table, more often one that may be empty
	GIVEN, // a slot of the table with what the world gave
	FRAME,
	VA,
	PAGES,
	FEW, // 0 or a few
	BIG, // a number of pages that does not fit
	ORDER,
	OP, // a small number
	MAPFLAGS,
	PROT,
	FLAGS, // few bits
	TYPE,
	RIGHTS,
	WORD,
	TIME,
};

static const u8 shapes[][10] = {
	[NR_CALL] = { ENDPOINT, WORD, WORD, WORD },
	[NR_REPLY_RECV] = { ENDPOINT, WORD },
	[NR_REPLY_MAP_RECV] = { ENDPOINT, MAPFLAGS, POOL, FRAME, FRAME, WORD, WORD, OP },
	[NR_REPLY] = { ENDPOINT, WORD },
	[NR_RECV] = { ENDPOINT, NONE, TIME },
	[NR_NOTIFY] = { NOTIFY, WORD },
	[NR_WAIT] = { NOTIFY, NONE, TIME },
	[NR_THREAD_CTL] = { THREAD, OP, CAP, CAP, VA, VA },
	[NR_THREAD_REGS] = { THREAD, OP, THREAD },
	[NR_CAP_COPY] = { TABLE, SLOT, TABLE, GIVEN, RIGHTS, FEW, FEW },
	[NR_CAP_DELETE] = { TABLE, SLOT },
	[NR_CAP_REVOKE] = { TABLE, SLOT },
	[NR_CAP_LIST] = { TABLE, SLOT },
	[NR_OBJECT_CREATE] = { POOL, FRAME, OP, TYPE, TABLE, SLOT, OP },
	[NR_POOL_CTL] = { POOL, OP, PAGES, NOTIFY, WORD },
	[NR_POOL_DESTROY] = { POOL },
	[NR_FRAME_ALLOC] = { POOL, ORDER, FEW, FLAGS },
	[NR_FRAME_FREE] = { POOL, FEW, FRAME, FLAGS },
	[NR_FRAME_MOVE] = { POOL, POOL, FEW, FRAME },
	[NR_FRAME_FILL] = { POOL, FRAME, FRAME },
	[NR_FRAME_MARK] = { POOL, FRAME, OP, OP, WORD },
	[NR_FRAME_PIN] = { POOL, FEW, DEVICE, OP },
	[NR_ASPACE_CTL] = { ASPACE, OP, OP, VA, VA, ENDPOINT, POOL, FLAGS },
	[NR_MAP] = { ASPACE, VA, POOL, FRAME, FEW, MAPFLAGS, FRAME, WORD, WORD },
	[NR_UNMAP] = { ASPACE, VA, BIG, POOL, FLAGS, WORD },
	[NR_PROTECT] = { ASPACE, VA, BIG, PROT },
	[NR_SCAN] = { ASPACE, VA, BIG, FLAGS },
	[NR_CLONE] = { ASPACE, VA, ASPACE, VA, BIG, FLAGS },
	[NR_EVICT] = { POOL, FRAME, WORD, OP, FLAGS },
	[NR_DEVICE] = { DEVICE, OP, ASPACE, VA, OP, OP },
	[NR_SYSTEM] = { SYSTEM, OP, ASPACE, VA, OP },
};

static u64 wild(void)
{
	static const u64 edges[] = { 0,    1,       63,        64,        255,       256,  257,     512,
				     4096, 0x10000, 1ul << 32, 1ul << 38, 1ul << 63, ~0ul, ~0xffful };

	return one_in(2) ? edges[below(sizeof(edges) / sizeof(*edges))] : splitmix(&state) >> below(64);
}

// One of the capabilities given for this purpose; now and then whatever lies in another slot.
static u64 cap_of(u64 a, u64 b)
{
	return one_in(16) ? below(48) : one_in(2) ? a : b;
}

static u64 pages_va(void)
{
	return USER_BASE + (one_in(4) ? below(WINDOW_END / PAGE_SIZE) : below(1200)) * PAGE_SIZE;
}

static u64 map_flags(void)
{
	u64 flags = PROT_READ | (below(8) & (PROT_READ | PROT_WRITE | PROT_EXEC));

	if (one_in(3))
		flags |= 1ul << (8 + below(11));
	if (one_in(9))
		flags |= 1ul << (8 + below(11));
	return flags;
}

static u64 shaped(enum shape shape)
{
	switch (shape) {
	case NONE:
		return 0;
	case POOL:
		return one_in(4) ? cap_of(S_SUBPOOL, S_POOL_MAP_ONLY) : cap_of(S_POOL, S_POOL);
	case ASPACE:
		return one_in(4) ? S_ASPACE_WINDOW : cap_of(S_ASPACE_A, S_ASPACE_B);
	case TABLE:
		return cap_of(S_TABLE, S_TABLE);
	case THREAD:
		return cap_of(S_THREAD_A, S_THREAD_B);
	case ENDPOINT:
		return one_in(8) ? S_ENDPOINT_CALL : cap_of(S_ENDPOINT_A, S_ENDPOINT_B);
	case NOTIFY:
		return cap_of(S_NOTIFY_A, S_NOTIFY_B);
	case SYSTEM:
		return S_SYSTEM;
	case DEVICE:
		return cap_of(S_DEVICE, S_DEVICE);
	case CAP:
		return below(24);
	case SLOT:
		return one_in(12) ? below(S_GIVEN) : S_GIVEN + below(40);
	case GIVEN:
		return one_in(4) ? S_GIVEN + below(40) : below(S_GIVEN);
	case FRAME:
		return one_in(24) ? frames[below(FRAMES)] ^ 1ul << below(64) : frames[below(FRAMES)];
	case VA:
		return one_in(24) ? pages_va() + below(PAGE_SIZE) : pages_va();
	case PAGES:
		return one_in(3) ? below(BATCH + 2) : below(12);
	case FEW:
		return one_in(2) ? 0 : one_in(16) ? below(BATCH + 2) : 1 + below(5);
	case ORDER:
		return one_in(24) ? below(12) : below(2);
	case BIG:
		return one_in(3) ? below(3000) : below(40);
	case OP:
		return below(12);
	case MAPFLAGS:
		return map_flags();
	case PROT:
		return below(8) | (one_in(8) ? PROTECT_SPLIT | PROTECT_COLLAPSE : 0);
	case FLAGS:
		return below(8);
	case TYPE:
		return 1 + below(9);
	case RIGHTS:
		return one_in(3) ? 0 : splitmix(&state) & 0xfffff;
	case WORD:
		return one_in(3) ? wild() : below(1000);
	case TIME:
		return below(1000);
	}
	return 0;
}

static void frames_learn(u64 first, u64 count)
{
	if (first)
		frames[below(FRAMES)] = first;
	for (u64 i = 0; i < count && i < 16; i++)
		frames[below(FRAMES)] = fuzz_argument[i];
}

// Lists of frames, {frame, offset}, {address space, va}: what the next call will take them for.
static void argument_fill(void)
{
	u64 kind = below(4);

	for (u32 i = 0; i < 64; i++) {
		u64 frame = shaped(FRAME);

		fuzz_argument[i] = kind == 0   ? frame
				   : i % 2     ? (kind == 1 ? below(20) : pages_va())
				   : kind == 1 ? frame
					       : ids[below(2)];
	}
	if (one_in(8))
		fuzz_argument[below(PAGE_SIZE / sizeof(u64))] = wild();
}

static void mapping_learn(const u64 r[10])
{
	u64 i = below(MAPPINGS);

	mappings[i].frame = r[3];
	mappings[i].pool = r[2];
	mappings[i].space = r[0] == S_ASPACE_B;
	mappings[i].va = r[1];
}

static void learn(u64 nr, const struct request *rq, const u64 r[10], err_t err)
{
	if (nr == NR_FRAME_ALLOC && !err)
		frames_learn(rq->w[0], rq->label);
	if ((nr == NR_RECV || nr == NR_REPLY_RECV || nr == NR_REPLY_MAP_RECV) && !err)
		replies[below(8)] = rq->reply;
	if (nr == NR_FRAME_MOVE && rq->label)
		frames_learn(0, rq->label);
	if (nr == NR_MAP && !err && rq->label == 1)
		mapping_learn(r);
	if (nr == NR_FRAME_PIN && r[3] == 1)
		fuzz.pins += rq->label <= r[1] ? rq->label : r[1];
}

// Whole calls that chance alone would not put together.
static void compose(u64 nr, u64 r[10])
{
	u64 i = below(MAPPINGS);

	switch (nr) {
	case NR_EVICT: // a frame, and where it is mapped
	case NR_FRAME_MARK:
		r[0] = mappings[i].pool;
		r[1] = mappings[i].frame;
		if (nr == NR_EVICT)
			r[3] = 1;
		else
			r[3] = below(2);
		fuzz_argument[0] = ids[mappings[i].space];
		fuzz_argument[1] = mappings[i].va;
		break;
	case NR_MAP: // replace what is there
		r[0] = S_ASPACE_A + mappings[i].space;
		r[1] = mappings[i].va;
		r[5] = PROT_READ | PROT_WRITE | MAP_IF_SAME;
		r[6] = mappings[i].frame;
		break;
	case NR_THREAD_CTL: // a thread that will fault, and is urgent enough to run
		r[1] = one_in(2) ? THREAD_START : THREAD_PRIO;
		r[2] = r[1] == THREAD_PRIO ? 22 : shaped(ASPACE);
		r[3] = S_TABLE;
		r[4] = pages_va();
		break;
	case NR_FRAME_ALLOC:
		r[0] = S_POOL;
		r[2] = 1 + below(4);
		break;
	case NR_FRAME_MOVE:
		r[0] = one_in(2) ? S_POOL : S_SUBPOOL;
		r[1] = r[0] == S_POOL ? S_SUBPOOL : S_POOL;
		r[2] = 1;
		break;
	case NR_REPLY_MAP_RECV:
		r[0] = shaped(ENDPOINT);
		r[1] = PROT_READ | PROT_EXEC;
		r[2] = S_POOL;
		r[7] = 0;
		break;
	}
}

// The address spaces' ids stand in the list of the table.
static void ids_learn(void)
{
	u64 count = 0;

	if (sys_cap_list(S_TABLE, 1, &count, NULL))
		return;
	for (u64 i = 0; i < count; i++)
		for (u64 k = 0; k < 2; k++)
			if ((u32)fuzz_argument[3 * i] == S_ASPACE_A + k)
				ids[k] = fuzz_argument[3 * i + 1];
}

// Only a part of the world is pinned: the rest is to be moved and freed.
static bool pin_allowed(u64 r[10])
{
	r[0] = one_in(4) ? S_SUBPOOL : S_POOL;
	r[2] = S_DEVICE;
	r[3] = one_in(4) ? (u64)-1 : 1;
	if (one_in(2))
		fuzz_argument[0] = shaped(FRAME);
	return r[3] != 1 || r[1] > BATCH_FILL || fuzz.pins + r[1] <= PINS;
}

static bool call_allowed(u64 nr, u64 r[10])
{
	if (nr == NR_FRAME_PIN)
		return pin_allowed(r);
	// The log is not to be filled; a check while frames are pinned would complain.
	if (nr == NR_SYSTEM && (r[1] == SYS_LOG || (r[1] == SYS_CHECK && (fuzz.pins || !one_in(30)))))
		r[1] = SYS_STAT;
	// The world would soon be empty.
	if (nr == NR_POOL_DESTROY && r[0] != S_SUBPOOL)
		return one_in(400);
	if ((nr == NR_CAP_DELETE || nr == NR_CAP_REVOKE) && r[1] < S_GIVEN)
		return one_in(200);
	if (nr == NR_CAP_COPY && r[3] < S_GIVEN && r[6] == COPY_MOVE)
		return one_in(200);
	return true;
}

static u64 ipc_flags(u64 nr)
{
	if (nr != NR_RECV && nr != NR_WAIT)
		return 0;
	return one_in(20) ? 0 : one_in(8) ? IPC_DEADLINE : one_in(3) ? IPC_POLL | IPC_REDELIVER : IPC_POLL;
}

static void one_call(void)
{
	u64 nr = one_in(200) ? below(256) : below(NR_SYSTEM + 1), r[10], reply;
	struct request rq = { 0 };
	err_t err;

	// A call or receive that blocks costs a visit of main: enough of them come by.
	if ((nr == NR_CALL || nr == NR_REPLY_RECV) && !one_in(30))
		nr = NR_MAP;
	for (u32 i = 0; i < 10; i++)
		r[i] = one_in(40) ? wild() : nr <= NR_SYSTEM ? shaped(shapes[nr][i]) : wild();
	if (one_in(3))
		argument_fill();
	if (one_in(4))
		compose(nr, r);
	if (!call_allowed(nr, r))
		return;
	rq.label = r[1];
	for (u32 i = 0; i < MSG_WORDS; i++)
		rq.w[i] = r[i + 2];
	reply = nr == NR_CALL ? caps_pair(one_in(2) ? shaped(SLOT) : 0, one_in(2) ? shaped(SLOT) : 0)
			      : replies[below(8)];
	err = arch_ipc(nr | ipc_flags(nr), r[0], nr == NR_CALL || one_in(2) ? 0 : caps_pair(shaped(SLOT), shaped(SLOT)),
		       reply, &rq);
	if (nr > NR_SYSTEM)
		return;
	fuzz.done[nr]++;
	fuzz.failed[nr] += err < 0;
	learn(nr, &rq, r, err);
}

void fuzz_run(void)
{
	state = fuzz.seed;
	for (u32 i = 0; i < FRAMES; i++)
		frames[i] = 0;
	ids_learn();
	for (; fuzz.calls; fuzz.calls--)
		one_call();
	for (;;)
		arch_breakpoint();
}
