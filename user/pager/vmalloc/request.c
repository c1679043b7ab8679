// SPDX-License-Identifier: MIT
// The operations: who asks, once only, and a second attempt when something ran short.
#include "vmalloc.h"

#include <base/log.h>

// A server that asks in its own name: what clients may not. Clients that are servers have VMALLOC_SERVER in their
// badge.
static bool is_server(const struct request *rq)
{
	return rq->badge < VMALLOC_SERVER;
}

err_t vmalloc_op_alloc(struct request *rq, u64 bytes, u64 flags, u64 *out_addr, u64 *out_left)
{
	struct client *c = client_find(rq->badge);
	err_t err;

	if (unlikely(!c))
		return -ERR_PERM;
	err = area_alloc(c, bytes, flags, out_addr, out_left);
	if (unlikely(err == -ERR_NOMEM || err == -ERR_NOSPC || err == -ERR_NFILE) && relieve(c, err))
		err = area_alloc(c, bytes, flags, out_addr, out_left);
	return err;
}

err_t vmalloc_op_fill(struct request *rq, u64 addr, u64 *out_left)
{
	struct client *c = client_find(rq->badge);

	return c ? area_fill(c, addr, out_left) : -ERR_NOENT;
}

err_t vmalloc_op_free(struct request *rq, u64 addr, u64 *out_left)
{
	struct client *c = client_find(rq->badge);

	return likely(c) ? area_free(c, addr, SPAN_AREA, 0, out_left) : -ERR_NOENT;
}

err_t vmalloc_op_purge(struct request *rq, u64 *out_left)
{
	struct client *c = client_find(rq->badge);

	if (!c)
		return -ERR_NOENT;
	prepared_drop(c);
	*out_left = purge(c, VMALLOC_STEP);
	return 0;
}

err_t vmalloc_op_map_ram(struct request *rq, u64 list, u64 count, u64 *out_addr)
{
	struct client *c = client_find(rq->badge);
	err_t err;

	if (!c)
		return -ERR_PERM;
	err = area_map_ram(c, list, count, out_addr);
	if ((err == -ERR_NOMEM || err == -ERR_NOSPC || err == -ERR_NFILE) && relieve(c, err))
		err = area_map_ram(c, list, count, out_addr);
	return err;
}

err_t vmalloc_op_unmap_ram(struct request *rq, u64 addr, u64 count, u64 *out_left)
{
	struct client *c = client_find(rq->badge);

	if (!count || count > VMALLOC_RAM_PAGES)
		return -ERR_INVAL;
	return c ? area_free(c, addr, SPAN_RAM, (u32)count, out_left) : -ERR_NOENT;
}

// What a slot is, 0: nothing.
static u64 slot_kind(const struct span *s, u32 slot)
{
	if (span_busy(s) >> slot & 1)
		return s->kind == SPAN_RAM ? VMALLOC_KIND_RAM : VMALLOC_KIND_AREA;
	if (s->dirty >> slot & 1)
		return VMALLOC_KIND_UNPURGED;
	return s->ready >> slot & 1 ? VMALLOC_KIND_PREPARED : 0;
}

err_t vmalloc_op_info(struct request *rq, u64 index, u64 addr, u64 *out_start, u64 *out_bytes, u64 *out_pages,
		      u64 *out_kind, u64 *out_badge)
{
	struct client *c = &clients[index % CLIENTS];
	u64 page = addr / PAGE_SIZE + (addr % PAGE_SIZE != 0);
	const struct span *s;

	(void)rq;
	if (index >= CLIENTS)
		return -ERR_RANGE;
	if (!c->badge || page >= client_record(c)->end)
		return -ERR_NOENT;
	if (page < client_record(c)->start)
		page = client_record(c)->start;
	for (const struct rb_node *node = &span_find(c, (u32)page)->rb; node; node = rb_next(node)) {
		s = rb_entry(node, struct span, rb);
		for (u32 slot = 0; s->kind != SPAN_FREE && slot < s->slots; slot++) {
			u64 kind = slot_kind(s, slot);

			if (!kind || slot_page(s, slot) < page)
				continue;
			*out_start = ADDRESS_OF(slot_page(s, slot));
			*out_bytes = ADDRESS_OF(s->area + 1);
			*out_pages = s->area;
			*out_kind = kind | (u64)s->large * LARGE_PAGES << 32;
			*out_badge = c->badge;
			return 0;
		}
	}
	return -ERR_NOENT;
}

static u64 spans_count(u64 index)
{
	u64 value = 0;

	for (u32 i = 1; i < SPANS; i++) {
		const struct span *s = &spans[i];
		u64 busy = s->kind == SPAN_AREA || s->kind == SPAN_RAM ? (u64)__builtin_popcount(span_busy(s)) : 0;

		if (index == VMALLOCSTAT_AREAS)
			value += busy;
		else if (s->kind == (index == VMALLOCSTAT_PAGES ? SPAN_AREA : SPAN_RAM))
			value += busy * s->area;
	}
	return value;
}

static u64 clients_count(u64 index)
{
	u64 value = 0;

	for (u32 i = 0; i < CLIENTS; i++) {
		const struct client *c = &clients[i];
		const struct client_record *r = client_record(c);
		u64 chunk = c->tree.root ? rb_entry(c->tree.root, struct span, rb)->free_max : 0;

		if (!c->badge)
			continue;
		if (index == VMALLOCSTAT_CLIENTS)
			value++;
		else if (index == VMALLOCSTAT_LAZY)
			value += c->lazy;
		else if (index == VMALLOCSTAT_PREPARED)
			value += c->prepared;
		else if (index == VMALLOCSTAT_TOTAL)
			value += ADDRESS_OF(r->end - r->start);
		else if (ADDRESS_OF(chunk) > value)
			value = ADDRESS_OF(chunk);
	}
	return value;
}

// Most are counted when somebody asks: nothing is kept on the way of every request.
u64 vmalloc_count(u64 index)
{
	switch (index) {
	case VMALLOCSTAT_AREAS:
	case VMALLOCSTAT_PAGES:
	case VMALLOCSTAT_RAM_PAGES:
		return spans_count(index);
	case VMALLOCSTAT_CLIENTS:
	case VMALLOCSTAT_LAZY:
	case VMALLOCSTAT_PREPARED:
	case VMALLOCSTAT_TOTAL:
	case VMALLOCSTAT_CHUNK:
		return clients_count(index);
	default:
		return stats[index];
	}
}

err_t vmalloc_op_stat(struct request *rq, u64 index, u64 *out_value)
{
	(void)rq;
	if (index > VMALLOCSTAT_SPANS_MAX)
		return -ERR_INVAL;
	*out_value = vmalloc_count(index);
	return 0;
}

err_t vmalloc_op_attach(struct request *rq, u64 badge, u64 start, u64 end)
{
	return is_server(rq) ? client_attach(badge, start, end) : -ERR_PERM;
}

err_t vmalloc_op_fund(struct request *rq, u64 badge)
{
	return is_server(rq) ? client_fund(badge) : -ERR_PERM;
}

err_t vmalloc_op_detach(struct request *rq, u64 badge)
{
	return is_server(rq) ? client_detach(badge) : -ERR_PERM;
}

// ---- faults: everything in use is mapped, so an address that faults is a mistake of the client's

static const char *fault_place(struct client *c, u32 page, u64 *area)
{
	const struct span *s = c ? span_find(c, page) : NULL;
	u32 slot;

	*area = 0;
	if (!s || s->kind == SPAN_FREE)
		return "no area is there";
	slot = (page - s->start) / (s->area + 1);
	*area = ADDRESS_OF(slot_page(s, slot));
	if (!(span_busy(s) >> slot & 1))
		return "the area was freed";
	return page - slot_page(s, slot) == s->area ? "guard page behind the area" : "the area cannot be used so";
}

void fault_report(const struct request *rq)
{
	u64 area;
	const char *what = fault_place(client_find(rq->badge), PAGE_OF(rq->w[0]), &area);

	log_line("vmalloc: %s %lu touched 0x%lx at pc 0x%lx: %s 0x%lx", rq->badge >> 16 ? "process" : "server",
		 (unsigned long)(rq->badge >> 16 ? rq->badge >> 16 : rq->badge - VMALLOC_SERVER),
		 (unsigned long)rq->w[0], (unsigned long)rq->w[5], what, (unsigned long)area);
}

// ---- one request

// A predecessor may have done it: what was noted says so if the area is, or is no longer, in use.
static bool once_only(struct request *rq)
{
	u64 label = rq->label;
	struct client *c = client_find(rq->badge);
	bool makes = label == OP_VMALLOC_ALLOC || label == OP_VMALLOC_MAP_RAM;
	bool frees = label == OP_VMALLOC_FREE || label == OP_VMALLOC_UNMAP_RAM;
	u64 answer;

	if (!c || (!makes && !frees) || !result_done(c, &answer) || area_busy(c, answer) != makes)
		return false;
	*rq = makes ? vmalloc_reply_alloc(rq->reply, 0, answer, 0) : vmalloc_reply_free(rq->reply, 0, 0);
	return true;
}

void vmalloc_request(struct request *rq)
{
	serving = rq->reply;
	if (rq->label == OP_PAGER_FAULT) {
		fault_report(rq);
		reply_set_status(rq, -ERR_FAULT);
	} else if (!once_only(rq)) {
		vmalloc_dispatch(rq);
	}
}

void vmalloc_request_cap(struct request *rq)
{
	vmalloc_request(rq);
	(void)sys_cap_delete(SLOT_SELF_CAPTABLE, SLOT_RECEIVE);
}

void vmalloc_notified(u64 bits)
{
	if (bits & VMALLOC_NOTIFY_PRESSURE)
		(void)relieve_all();
}
