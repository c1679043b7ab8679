// SPDX-License-Identifier: MIT
// Trace rings. Each hart writes 48-byte records into packets of 4 KiB; each packet is a complete CTF 1.8 packet, so the host copies pages and is done.
//
//	packet n of the ring:  free (n < tail + packets) -> being filled -> complete (head = n + 1) -> taken by the host (tail = n + 1)
// Invariants: head - tail <= packets of the ring; records of the packet being filled are at [0, at); the host reads packets below head only.
// Ring full at the start of a packet: with `wait` the kernel waits for the host (make trace: no event is ever lost), else events are
// dropped and counted, and the count travels in the next packet's context.
#include <kernel/hart.h>
#include <kernel/thread.h>
#include <kernel/trace.h>

u64 trace_mask;

static struct trace_header *area;

static struct ring {
	u8 *base;
	u64 packets;
	u64 at;             // bytes used in the packet being filled; 0: none begun
	struct trace_packet *packet;
} rings[HARTS];

#define RECORDS ((TRACE_PACKET - sizeof(struct trace_packet)) / TRACE_RECORD)
#define PACKET_FULL (sizeof(struct trace_packet) + RECORDS * TRACE_RECORD)

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

u64 trace_set_mask(u64 mask)
{
	u64 old = trace_mask;
	trace_mask = area ? mask : 0;
	// The fast paths write no events: while any group is on they decline.
	for (u32 i = 0; i < hart_count; i++)
		harts[i].gate = trace_mask ? harts[i].gate | GATE_TRACE : harts[i].gate & ~GATE_TRACE;
	return old;
}

void trace_stat(u64 out[4])
{
	for (u32 i = 0; area && i < hart_count; i++) {
		out[0] += area->events[i];
		out[1] += area->lost[i];
	}
	out[2] = area ? area->ring_bytes : 0;
	out[3] = trace_mask;
}

static bool ring_full(u32 hart)
{
	return area->head[hart] - __atomic_load_n(&area->tail[hart], __ATOMIC_ACQUIRE) >= rings[hart].packets;
}

static bool packet_begin(struct ring *ring, u32 hart, u64 now)
{
	while (unlikely(ring_full(hart))) {
		if (!area->wait)
			return false;
		arch_relax();
	}
	ring->packet = (void *)(ring->base + area->head[hart] % ring->packets * TRACE_PACKET);
	*ring->packet = (struct trace_packet){
		.magic = 0xc1fc1fc1,
		.stream = 0,
		.time_begin = now,
		.packet_bits = TRACE_PACKET * 8,
		.discarded = area->lost[hart],
		.sequence = area->head[hart],
		.hart = hart,
	};
	__builtin_memcpy(ring->packet->uuid, trace_uuid, sizeof(trace_uuid));
	ring->at = sizeof(struct trace_packet);
	return true;
}

static void packet_end(struct ring *ring, u32 hart)
{
	ring->packet->content_bits = ring->at * 8;
	ring->at = 0;
	__atomic_store_n(&area->head[hart], area->head[hart] + 1, __ATOMIC_RELEASE);
}

// Hot while tracing: budget 40 instructions with the call (make bench: trace_event_on).
void trace_write(u32 id, u64 a, u64 b, u64 c)
{
	struct hart *h = arch_hart();
	struct ring *ring = &rings[h->id];
	u64 now = arch_cycles();
	if (unlikely(!ring->at) && !packet_begin(ring, h->id, now)) {
		area->lost[h->id]++;
		return;
	}
	struct trace_event *e = (void *)((u8 *)ring->packet + ring->at);
	const struct thread *t = h->cur;
	e->time = now;
	e->id = id;
	e->hart = h->id;
	e->thread = t ? object_id(t) : 0;
	e->flow = t ? t->flow : 0;
	e->a = a;
	e->b = b;
	e->c = c;
	ring->packet->time_end = now;
	ring->at += TRACE_RECORD;
	area->events[h->id]++;
	if (unlikely(ring->at == PACKET_FULL))
		packet_end(ring, h->id);
}

void trace_stop(void)
{
	trace_set_mask(0);
	for (u32 i = 0; area && i < hart_count; i++) {
		area->open[i] = rings[i].at;
		if (rings[i].at)
			rings[i].packet->content_bits = rings[i].at * 8;
	}
	if (area)
		__atomic_store_n(&area->stopped, 1, __ATOMIC_RELEASE);
}

void trace_tail(u32 count, void (*show)(const struct trace_event *e))
{
	struct ring *ring = &rings[arch_hart()->id];
	if (!area || !ring->at)
		return;
	u32 written = (ring->at - sizeof(struct trace_packet)) / TRACE_RECORD;
	const struct trace_event *e = (void *)(ring->packet + 1);
	for (u32 i = written > count ? written - count : 0; i < written; i++)
		show(&e[i]);
}
