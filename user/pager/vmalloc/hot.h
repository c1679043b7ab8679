// SPDX-License-Identifier: MIT
/*
 * alloc of a small area whose slot is prepared, and free of one in the span found last: decided here with the request
 * in registers. Nothing is written before every condition holds; what is not that simple goes to area.c, which knows
 * all cases. A request that is delivered again never comes here (main.c).
 */
#pragma once

#include "vmalloc.h"

static always_inline bool hot_alloc(struct client *c, struct request *rq)
{
	u64 area = (rq->w[0] + PAGE_SIZE - 1) >> PAGE_SHIFT;
	struct client_record *r = client_record(c);
	struct span *s;
	u32 ready, bit;
	u64 addr;

	if (unlikely(area - 1 >= SMALL || rq->w[1]))
		return false;
	s = &spans[c->room[0][area]];
	ready = s->ready; /* 0 in record 0, which stands for none */
	bit = ready & -ready;
	if (unlikely(ready == bit))
		return false; /* none, or the last: its span may have to leave the list */
	addr = ADDRESS_OF(slot_page(s, bit_lowest(ready)));
	s->ready = ready - bit;
	c->prepared -= s->area;
	r->answer = addr;
	r->reply = rq->reply;
	state_barrier();
	vms->span[span_index(s)].head |= bit;
	rq->w[0] = addr;
	return true;
}

static always_inline bool hot_free(struct client *c, struct request *rq)
{
	u64 addr = rq->w[0];
	struct span *s = &spans[c->hint];
	u32 off = PAGE_OF(addr) - s->start, stride = s->area + 1, slot;
	struct client_record *r = client_record(c);
	u64 *head = &vms->span[span_index(s)].head, bit;

	if (unlikely(addr % PAGE_SIZE || addr >> PAGE_SHIFT >> 32 || off >= s->pages || s->kind != SPAN_AREA ||
		     !s->dirty))
		return false;
	slot = off / stride;
	bit = 1ul << slot;
	if (unlikely(slot * stride != off || !(*head & bit) || c->lazy + s->area > LAZY_MAX))
		return false;
	r->answer = addr;
	r->reply = rq->reply;
	state_barrier();
	*head &= ~bit;
	s->dirty |= (u32)bit;
	c->lazy += s->area;
	rq->w[0] = 0;
	return true;
}

// false: nothing was done. True: answered with label 0 and w[0], and w[1] as alloc has it.
static always_inline bool hot_request(struct request *rq)
{
	struct client *c = &clients[rq->badge & (PROCS - 1)];

	if (unlikely(c->badge != rq->badge || !c->funded))
		return false;
	if (rq->label == OP_VMALLOC_ALLOC ? !hot_alloc(c, rq) : rq->label != OP_VMALLOC_FREE || !hot_free(c, rq))
		return false;
	rq->label = 0;
	return true;
}
