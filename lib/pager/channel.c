// SPDX-License-Identifier: MIT
// Two rings and two notifications (channel.h).
#include <abi/stubs.h>
#include <base/string.h>
#include <pager/channel.h>

bool channel_attach(struct channel *ch, const struct server_ring *end, u32 out_words, u32 in_words)
{
	size_t bytes = (size_t)end->pages * PAGE_SIZE;

	if (ring_bytes(1, out_words) > bytes || ring_bytes(1, in_words) > bytes)
		return false;
	ring_attach_producer(&ch->out, (struct ring_shared *)end->out, channel_records(end->pages, out_words),
			     out_words);
	ring_attach_consumer(&ch->in, (struct ring_shared *)end->in, channel_records(end->pages, in_words), in_words);
	ch->notify = end->notify;
	ch->out_bits = end->out_bits;
	ch->in_bits = end->in_bits;
	ch->told = true;
	return true;
}

bool channel_open(struct channel *ch, const struct server_info *info, const char *peer, u32 out_words, u32 in_words)
{
	for (u32 i = 0; i < info->rings && i < SERVER_RINGS; i++)
		if (!strcmp((const char *)info->ring[i].peer, peer))
			return channel_attach(ch, &info->ring[i], out_words, in_words);
	return false;
}

void channel_flush(struct channel *ch)
{
	if (ch->told)
		return;
	ch->told = true;
	(void)ipc_notify_flow(ch->notify, ch->out_bits,
			      ch->flow); // fails only when the peer is gone, and then nobody reads the rings
}
