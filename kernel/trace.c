// SPDX-License-Identifier: MIT
// Trace rings. Each hart writes 48-byte records into packets of 4 KiB; each packet is a complete CTF 1.8 packet, so the
// host copies pages and is done.
//
//	packet n of the ring:  free (n < tail + packets) -> being filled -> complete (head = n + 1) -> taken by the host
//(tail = n + 1)
// Invariants: head - tail <= packets of the ring; the host reads packets below head only; the packet being filled has
// its records at [first record, hart->trace_next) and is closed when the next event finds no room in it. Ring full at
// the start of a packet: with `wait` the kernel waits for the host (make trace: no event is ever lost), else events are
// dropped and counted, and the count travels in the next packet's context.
#include <kernel/hart.h>
#include <kernel/thread.h>
#include <kernel/trace.h>

u64 trace_mask;
u32 trace_epoch;

static struct trace_header *area;

static struct ring {
	u8 *base;
	u64 packets;
	struct trace_packet *packet; // being filled; NULL: none
} rings[HARTS];

#define RECORDS ((TRACE_PACKET - sizeof(struct trace_packet)) / TRACE_RECORD)

static const u8 trace_uuid[16] = "jjok-trace-00001";

void trace_init(struct trace_header *header, u64 ring_bytes, bool wait, u64 mask)
{
	area = header;
	area->version = 1;
	area->harts = hart_count;
	area->ring_bytes = ring_bytes;
	area->paddr = arch_v2p(header);
	area->mem_base = pfn_to_paddr(mem.base);
	area->timebase = 1000000000;
	area->wait = wait;
	for (u32 i = 0; i < hart_count; i++) {
		rings[i].base = (u8 *)header + TRACE_PACKET + i * ring_bytes;
		rings[i].packets = ring_bytes / TRACE_PACKET;
	}
	__atomic_store_n(&area->magic, TRACE_MAGIC, __ATOMIC_RELEASE);
	trace_set_mask(mask);
}

void trace_introduce(struct thread *t)
{
	u64 name[2];
	__builtin_memcpy(name, t->name, sizeof(name));
	trace(EVENT_NAME, object_id(t), name[0], name[1]);
	t->introduced = trace_epoch;
}

u64 trace_set_mask(u64 mask)
{
	u64 old = trace_mask;
	trace_mask = area ? mask : 0;
	// The fast paths write no events: while any group is on they decline.
	for (u32 i = 0; i < hart_count; i++)
		harts[i].tlb.gate = trace_mask ? harts[i].tlb.gate | GATE_TRACE : harts[i].tlb.gate & ~GATE_TRACE;
	if (!old && trace_mask) {
		trace_epoch++;
		if (arch_hart()->cur)
			trace_introduce(arch_hart()->cur);
	}
	return old;
}

static struct trace_event *first_record(const struct ring *ring)
{
	return (struct trace_event *)(ring->packet + 1);
}

// Records in the packet being filled.
static u64 records(u32 hart)
{
	return rings[hart].packet ? harts[hart].trace_next - first_record(&rings[hart]) : 0;
}

void trace_stat(u64 out[4])
{
	for (u32 i = 0; area && i < hart_count; i++) {
		out[0] += area->events[i] + records(i);
		out[1] += area->lost[i];
	}
	out[2] = area ? area->ring_bytes : 0;
	out[3] = trace_mask;
}

static bool ring_full(u32 hart)
{
	return area->head[hart] - __atomic_load_n(&area->tail[hart], __ATOMIC_ACQUIRE) >= rings[hart].packets;
}

static bool packet_begin(struct hart *h, u64 now)
{
	struct ring *ring = &rings[h->id];
	while (unlikely(ring_full(h->id))) {
		if (!area->wait)
			return false;
		arch_relax();
	}
	ring->packet = (void *)(ring->base + area->head[h->id] % ring->packets * TRACE_PACKET);
	*ring->packet = (struct trace_packet){
		.magic = 0xc1fc1fc1,
		.stream = 0,
		.time_begin = now,
		.packet_bits = TRACE_PACKET * 8,
		.discarded = area->lost[h->id],
		.sequence = area->head[h->id],
		.hart = h->id,
	};
	__builtin_memcpy(ring->packet->uuid, trace_uuid, sizeof(trace_uuid));
	h->trace_next = first_record(ring);
	h->trace_end = h->trace_next + RECORDS;
	return true;
}

// What is in the packet counts from now on.
static void packet_seal(struct hart *h)
{
	struct ring *ring = &rings[h->id];
	ring->packet->content_bits = ((u8 *)h->trace_next - (u8 *)ring->packet) * 8;
	ring->packet->time_end = h->trace_next[-1].time;
	area->events[h->id] += records(h->id);
}

// The packet is full, or there is none yet. False: the ring is full and nobody waits for the host: the event is lost.
static bool packet_next(struct hart *h)
{
	struct ring *ring = &rings[h->id];
	if (ring->packet) {
		packet_seal(h);
		ring->packet = NULL;
		h->trace_next = h->trace_end = NULL;
		__atomic_store_n(&area->head[h->id], area->head[h->id] + 1, __ATOMIC_RELEASE);
	}
	if (packet_begin(h, arch_cycles()))
		return true;
	area->lost[h->id]++;
	return false;
}

static __attribute__((noinline)) void trace_write_next(u32 id, u64 a, u64 b, u64 c)
{
	if (packet_next(arch_hart()))
		trace_write(id, a, b, c);
}

// Hot while tracing: budget 40 instructions with the call (make bench: trace_event_on). The rare case is a jump, so
// that this has no frame to fill.
void trace_write(u32 id, u64 a, u64 b, u64 c)
{
	struct hart *h = arch_hart();
	if (unlikely(h->trace_next == h->trace_end)) {
		trace_write_next(id, a, b, c);
		return;
	}
	struct trace_event *e = h->trace_next++;
	const struct thread *t = h->cur;
	e->time = arch_cycles();
	e->id = id;
	e->hart = h->id;
	e->thread = t ? object_id(t) : 0;
	e->flow = t ? t->flow : 0;
	e->a = a;
	e->b = b;
	e->c = c;
}

void trace_stop(void)
{
	trace_set_mask(0);
	for (u32 i = 0; area && i < hart_count; i++) {
		struct ring *ring = &rings[i];
		if (!ring->packet)
			continue;
		packet_seal(&harts[i]);
		area->open[i] = (u8 *)harts[i].trace_next - (u8 *)ring->packet;
		ring->packet = NULL;
	}
	if (area)
		__atomic_store_n(&area->stopped, 1, __ATOMIC_RELEASE);
}

void trace_tail(u32 count, void (*show)(const struct trace_event *e))
{
	const struct hart *h = arch_hart();
	u64 written = records(h->id);
	for (u64 i = written > count ? written - count : 0; i < written; i++)
		show(first_record(&rings[h->id]) + i);
}
