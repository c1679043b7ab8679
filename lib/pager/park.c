// SPDX-License-Identifier: MIT
// Parked requests (server.h): a pool of entries and queues over it, all linked by index + 1 so that 0 means none.
#include <pager/server.h>

void park_init(struct park *park, struct parked *entries, u32 count)
{
	park->entry = entries;
	park->count = count;
	park->free = count ? 1 : 0;
	for (u32 i = 0; i < count; i++)
		entries[i].next = i + 1 < count ? i + 2 : 0;
}

bool park_put(struct park *park, struct park_queue *queue, const struct request *rq)
{
	u32 link = park->free;

	if (!link)
		return false;
	struct parked *entry = &park->entry[link - 1];
	park->free = entry->next;
	entry->rq = *rq;
	entry->next = 0;
	if (queue->tail)
		park->entry[queue->tail - 1].next = link;
	else
		queue->head = link;
	queue->tail = link;
	return true;
}

struct request *park_first(const struct park *park, const struct park_queue *queue)
{
	return queue->head ? &park->entry[queue->head - 1].rq : NULL;
}

bool park_take(struct park *park, struct park_queue *queue, struct request *rq)
{
	u32 link = queue->head;

	if (!link)
		return false;
	struct parked *entry = &park->entry[link - 1];
	*rq = entry->rq;
	queue->head = entry->next;
	if (!queue->head)
		queue->tail = 0;
	entry->next = park->free;
	park->free = link;
	return true;
}

u32 park_drop_dead(struct park *park, struct park_queue *queue)
{
	struct park_queue kept = { 0, 0 };
	struct request rq;
	u32 dropped = 0;

	while (park_take(park, queue, &rq)) {
		if (!badge_alive(rq.badge)) {
			dropped++;
			continue;
		}
		/* An entry was freed just now, so there is room. */
		bool kept_it = park_put(park, &kept, &rq);

		assert(kept_it);
	}
	*queue = kept;
	return dropped;
}
