// SPDX-License-Identifier: MIT
// Makes the servers of the manifest. Order: endpoints and notifications of all, because peers name each other; then
// each server's memory and table; then they start, the most urgent first, so that nobody calls a server that does not
// run yet.
//
//	described (manifest) --server_frame--> named --server_fill--> ready --server_start--> running --fault-->
// power-off (serve.c)
#include "init.h"

#include <abi/stubs.h>
#include <elf/elf.h>
#include <lib/base/fmt.h>
#include <lib/base/log.h>
#include <lib/base/string.h>
#include <machine.h>
#include <server/text.h>

#define POOL_SMALL "give it a larger pool in user/boot.manifest, or raise MEM="

struct start {
	vaddr_t entry;
	vaddr_t sp;
};
static struct start start[MANIFEST_SERVERS];

static const char *server_name(u32 i)
{
	return init.manifest.server[i].name;
}

static void step(u32 i, const char *what, err_t err)
{
	check_step(server_name(i), what, err, POOL_SMALL);
}

// The last root entry of the user half is the kernel's window for observers.
static vaddr_t window_end(void)
{
	return init.info->user_end - (1ull << (PAGE_SHIFT + 9 * (init.info->levels - 1)));
}

// Gives the server `to_slot` a capability of init's, perhaps with fewer rights.
static err_t cap_give(u32 i, cptr_t to_slot, cptr_t slot, u64 rights, u64 badge)
{
	return sys_cap_copy(server_slot(i, BLOCK_CAPTABLE), to_slot, SLOT_SELF_CAPTABLE, slot, rights, badge,
			    COPY_COPY);
}

static err_t named_make(u32 i, u32 type, enum block what, cptr_t arg, const char *suffix)
{
	char name[2 * MANIFEST_NAME];

	snprintf(name, sizeof(name), "%s%s", server_name(i), suffix);
	return object_make(type, SLOT_SELF_CAPTABLE, server_slot(i, what), arg, name);
}

static u64 pool_pages(const struct manifest_server *s, u64 boot_pages)
{
	return s->pool_pages + boot_pages * s->pool_percent / 100;
}

// The kernel objects that make up a server.
static void server_frame(u32 i, u64 boot_pages)
{
	const struct manifest_server *s = &init.manifest.server[i];

	init.pool_base[i] = pool_pages(s, boot_pages);
	step(i, "cannot make its pool", named_make(i, TYPE_POOL, BLOCK_POOL, init.pool_base[i], ".pool"));
	step(i, "cannot make its capability table", named_make(i, TYPE_CAPTABLE, BLOCK_CAPTABLE, 0, ".caps"));
	step(i, "cannot make its capability leaf",
	     object_make(TYPE_CAPLEAF, server_slot(i, BLOCK_CAPTABLE), 0, 0, NULL));
	step(i, "cannot make its address space",
	     named_make(i, TYPE_ASPACE, BLOCK_ASPACE, server_slot(i, BLOCK_POOL), ".as"));
	step(i, "cannot make its thread", named_make(i, TYPE_THREAD, BLOCK_THREAD, 0, ""));
	step(i, "cannot make its endpoint", named_make(i, TYPE_ENDPOINT, BLOCK_ENDPOINT, 0, ".ep"));
	step(i, "cannot make its notification", named_make(i, TYPE_NOTIFICATION, BLOCK_NOTIFY, 0, ".ntfn"));
	step(i, "cannot make its way to init",
	     sys_cap_copy(SLOT_SELF_CAPTABLE, server_slot(i, BLOCK_PAGER), SLOT_SELF_CAPTABLE, SLOT_SELF_ENDPOINT,
			  RIGHT_ENDPOINT_CALL, server_badge(i), COPY_COPY));
	step(i, "cannot set its window",
	     sys_aspace_ctl(server_slot(i, BLOCK_ASPACE), ASOP_WINDOW, 0, USER_BASE, window_end(),
			    server_slot(i, BLOCK_PAGER), server_slot(i, BLOCK_POOL), 0, NULL, NULL, NULL, NULL));
}

static void image_load(u32 i)
{
	const struct manifest_server *s = &init.manifest.server[i];
	const struct archive_entry *file = archive_find(&init.archive, s->path);
	struct elf_image image;
	const u8 *bytes;

	if (!file)
		fatal(s->name, s->path, -ERR_NOENT, "the boot archive has no such file: see user/boot.manifest");
	bytes = archive_bytes(&init.archive, file);
	check_step(s->name, s->path, elf_parse(bytes, file->size, ELF_MACHINE, USER_BASE, ARGUMENT_VA, &image),
		   "link it with user/server/server.ld");
	start[i].entry = image.entry;
	for (u32 n = 0; n < image.count; n++) {
		const struct elf_segment *seg = &image.segment[n];
		struct give g = { .pool = server_slot(i, BLOCK_POOL),
				  .aspace = server_slot(i, BLOCK_ASPACE),
				  .va = seg->start * PAGE_SIZE,
				  .pages = seg->end - seg->start,
				  .prot = seg->prot,
				  .source = bytes + seg->file_page * PAGE_SIZE + seg->skip,
				  .bytes = seg->bytes,
				  .skip = seg->skip };

		if (seg->prot & PROT_WRITE && seg->prot & PROT_EXEC)
			fatal(s->name, s->path, -ERR_NOEXEC,
			      "a segment is writable and executable; link it with user/server/server.ld");
		step(i, "cannot load its image", pages_give(&g));
	}
}

// The machine's devices that a server gets, as indices into boot_info (device NULL: their number only). What does not
// fit into its slots is left out.
static u32 devices_of(const struct manifest_server *s, u8 *device)
{
	u32 n = 0;

	for (u32 d = 0; d < s->devices; d++) {
		u32 before = n;

		for (u64 i = 0; i < init.info->devices && n < MANIFEST_DEVICES; i++) {
			if (strcmp((const char *)init.info->device[i].name, s->device[d].name))
				continue;
			if (device)
				device[n] = (u8)i;
			n++;
			if (!s->device[d].all)
				break;
		}
		if (n == before && !s->device[d].all)
			fatal(s->name, s->device[d].name, -ERR_NOENT, "this machine has no such device");
	}
	return n;
}

static void info_write(u32 i, struct server_info *info)
{
	const struct manifest_server *s = &init.manifest.server[i];

	*info = (struct server_info){ .magic = SERVER_INFO_MAGIC,
				      .user_pages = init.user_pages,
				      .archive_pages = s->archive ? init.info->archive_pages : 0,
				      .heap_pages = s->heap_pages,
				      .state_pages = s->state_pages,
				      .user_end = init.info->user_end,
				      .levels = init.info->levels,
				      .timer_hz = init.info->timer_hz,
				      .harts = init.info->harts,
				      .devices = devices_of(s, NULL),
				      .peers = s->peers,
				      .view_pages = s->view ? init.manifest.server[s->view - 1].state_pages : 0 };
	info->rings = manifest_rings(&init.manifest, i, info->ring);
	info->pool_most = pool_most(i);
	step(i, "cannot look at its pool",
	     sys_pool_ctl(server_slot(i, BLOCK_POOL), POOLOP_STAT, 0, 0, 0, &info->pool_pages, NULL, NULL, NULL));
	string_copy((char *)info->name, s->name, sizeof(info->name));
	string_copy((char *)info->cmdline, (const char *)init.info->cmdline, sizeof(info->cmdline));
}

// The stack ends with struct server_info; the server starts with its stack pointer there.
static void stack_give(u32 i)
{
	const struct manifest_server *s = &init.manifest.server[i];
	struct server_info info;
	struct give g = { .pool = server_slot(i, BLOCK_POOL),
			  .aspace = server_slot(i, BLOCK_ASPACE),
			  .va = STACK_TOP - s->stack_pages * PAGE_SIZE,
			  .pages = s->stack_pages,
			  .prot = PROT_READ | PROT_WRITE,
			  .source = (const u8 *)&info,
			  .bytes = sizeof(info),
			  .skip = (s->stack_pages * PAGE_SIZE - sizeof(info)) & ~15ull };

	info_write(i, &info);
	start[i].sp = g.va + g.skip;
	step(i, "cannot get its stack", pages_give(&g));
}

static void pages_zero(u32 i, vaddr_t va, u64 pages, const char *what)
{
	struct give g = { .pool = server_slot(i, BLOCK_POOL),
			  .aspace = server_slot(i, BLOCK_ASPACE),
			  .va = va,
			  .pages = pages,
			  .prot = PROT_READ | PROT_WRITE };

	step(i, what, pages_give(&g));
}

static void argument_give(u32 i)
{
	cptr_t pool = server_slot(i, BLOCK_POOL);
	frame_t frame;
	err_t err = frame_take(pool, &frame);

	if (!err)
		err = sys_map(server_slot(i, BLOCK_ASPACE), ARGUMENT_VA, pool, frame, 1, PROT_READ | PROT_WRITE, 0, 0,
			      0, NULL, NULL);
	if (!err)
		err = sys_thread_ctl(server_slot(i, BLOCK_THREAD), THREAD_ARGUMENT, pool, frame, 0, 0, NULL, NULL, NULL,
				     NULL);
	step(i, "cannot get its argument page", err);
}

static void liveness_give(u32 i)
{
	u64 prot = init.manifest.server[i].liveness == LIVENESS_WRITE ? PROT_READ | PROT_WRITE : PROT_READ;
	err_t err = 0;

	if (!init.liveness)
		err = frame_take(SLOT_SELF_POOL, &init.liveness);
	if (!err)
		err = sys_map(server_slot(i, BLOCK_ASPACE), LIVENESS_VA, SLOT_SELF_POOL, init.liveness, 1, prot, 0, 0,
			      0, NULL, NULL);
	step(i, "cannot get the liveness page", err);
}

static void memory_give(u32 i)
{
	const struct manifest_server *s = &init.manifest.server[i];

	image_load(i);
	stack_give(i);
	argument_give(i);
	pages_zero(i, SERVER_HEAP, s->heap_pages, "cannot get its heap");
	step(i, "cannot get its state segment", state_give(i, 0, s->state_pages));
	if (s->archive)
		step(i, "cannot map the boot archive", archive_map(server_slot(i, BLOCK_ASPACE)));
	if (s->liveness != LIVENESS_NONE)
		liveness_give(i);
}

static void devices_give(u32 i)
{
	u8 device[MANIFEST_DEVICES];
	u32 n = devices_of(&init.manifest.server[i], device);

	for (u32 d = 0; d < n; d++)
		step(i, "cannot get its device", cap_give(i, SLOT_DEVICE0 + d, SLOT_DEVICE0 + device[d], 0, 0));
}

static err_t peer_give(u32 i, const struct manifest_peer *peer, cptr_t slot)
{
	if (peer->server == PEER_INIT)
		return cap_give(i, slot, server_slot(i, BLOCK_PAGER), 0, 0);
	switch ((enum peer_kind)peer->kind) {
	case PEER_CALL:
		return cap_give(i, slot, server_slot(peer->server, BLOCK_ENDPOINT), RIGHT_ENDPOINT_CALL,
				server_badge(i));
	case PEER_PASS:
		return cap_give(i, slot, server_slot(peer->server, BLOCK_ENDPOINT), RIGHT_ENDPOINT_CALL, 0);
	case PEER_NOTIFY:
		return cap_give(i, slot, server_slot(peer->server, BLOCK_NOTIFY), RIGHT_NOTIFICATION_NOTIFY, 0);
	case PEER_AREAS:
		return cap_give(i, slot, server_slot(i, BLOCK_AREAS), 0, 0);
	}
	return -ERR_INVAL;
}

static void caps_give(u32 i)
{
	const struct manifest_server *s = &init.manifest.server[i];
	const struct {
		cptr_t slot;
		enum block what;
		u64 rights;
	} own[] = {
		{ SLOT_SELF_ENDPOINT, BLOCK_ENDPOINT, 0 },
		{ SLOT_SELF_NOTIFY, BLOCK_NOTIFY, 0 },
		{ SLOT_SELF_CAPTABLE, BLOCK_CAPTABLE, 0 },
		{ SLOT_SELF_ASPACE, BLOCK_ASPACE, 0 },
		{ SLOT_SELF_THREAD, BLOCK_THREAD, 0 },
		// without CONTROL: a server must not enlarge its own pool
		{ SLOT_SELF_POOL, BLOCK_POOL, RIGHT_POOL_ALLOC | RIGHT_POOL_MAP | RIGHT_POOL_EVICT },
	};

	for (u32 n = 0; n < sizeof(own) / sizeof(own[0]); n++)
		step(i, "cannot get a capability",
		     cap_give(i, own[n].slot, server_slot(i, own[n].what), own[n].rights, 0));
	if (s->user_pool)
		step(i, "cannot get the pool of user memory", cap_give(i, SLOT_CLIENT_POOL, SLOT_USER_POOL, 0, 0));
	if (s->system)
		step(i, "cannot get its rights on the system", cap_give(i, SLOT_SYSTEM, SLOT_SYSTEM, s->system, 0));
	if (s->user_rights && !s->user_pool)
		step(i, "cannot get rights on the pool of user memory",
		     cap_give(i, SLOT_CLIENT_POOL, SLOT_USER_POOL, s->user_rights, 0));
	for (u32 n = 0; n < s->peers; n++)
		step(i, "cannot get the capability of a peer", peer_give(i, &s->peer[n], SLOT_PEER0 + n));
	devices_give(i);
}

// One direction of a ring: pages of `payer`'s pool, at `from` in one server and at `to` in the other.
static err_t ring_pages(u32 payer, u32 a, vaddr_t from, u32 b, vaddr_t to, u64 pages)
{
	cptr_t pool = server_slot(payer, BLOCK_POOL);

	for (u64 done = 0, n; done < pages; done += n) {
		u64 offset = done * PAGE_SIZE;
		err_t err = frames_take(pool, pages - done, &n);

		if (!err)
			err = frames_map(server_slot(a, BLOCK_ASPACE), from + offset, pool, n);
		if (!err)
			err = frames_map(server_slot(b, BLOCK_ASPACE), to + offset, pool, n);
		if (err)
			return err;
	}
	return 0;
}

static void ring_give(u32 i)
{
	const struct manifest_ring *ring = &init.manifest.ring[i];
	struct server_ring own_ends[SERVER_RINGS], peer_ends[SERVER_RINGS];
	const struct server_ring *own = manifest_ring_end(&init.manifest, i, ring->server, own_ends);
	const struct server_ring *peer = manifest_ring_end(&init.manifest, i, ring->peer, peer_ends);
	const char *what = "cannot get a ring";

	step(ring->server, what, ring_pages(ring->server, ring->server, own->out, ring->peer, peer->in, ring->pages));
	step(ring->server, what, ring_pages(ring->server, ring->server, own->in, ring->peer, peer->out, ring->pages));
	step(ring->server, what,
	     cap_give(ring->server, own->notify, server_slot(ring->peer, BLOCK_NOTIFY), RIGHT_NOTIFICATION_NOTIFY, 0));
	step(ring->peer, what,
	     cap_give(ring->peer, peer->notify, server_slot(ring->server, BLOCK_NOTIFY), RIGHT_NOTIFICATION_NOTIFY, 0));
}

void servers_make(void)
{
	u64 boot_pages = pages_left();

	for (u32 i = 0; i < init.manifest.servers; i++)
		server_frame(i, boot_pages);
	// the liveness page is the last thing that the root pool pays for
	step(0, "cannot make the liveness page", frame_take(SLOT_SELF_POOL, &init.liveness));
	user_pool_grow();
	for (u32 i = 0; i < init.manifest.servers; i++) {
		step(i, "cannot get its window of areas", areas_window(i, window_end()));
		memory_give(i);
		caps_give(i);
	}
	for (u32 i = 0; i < init.manifest.rings; i++)
		ring_give(i);
}

static void server_start(u32 i)
{
	const struct manifest_server *s = &init.manifest.server[i];
	cptr_t thread = server_slot(i, BLOCK_THREAD);
	u64 name[2] = { 0, 0 };

	memcpy(name, s->name, strlen(s->name));
	step(i, "cannot name its thread",
	     sys_thread_ctl(thread, THREAD_NAME, name[0], name[1], 0, 0, NULL, NULL, NULL, NULL));
	step(i, "cannot set its priority",
	     sys_thread_ctl(thread, THREAD_PRIO, s->priority, 0, 0, 0, NULL, NULL, NULL, NULL));
	step(i, "cannot bind its notification",
	     sys_thread_ctl(thread, THREAD_BIND, server_slot(i, BLOCK_NOTIFY), server_slot(i, BLOCK_ENDPOINT), 0, 0,
			    NULL, NULL, NULL, NULL));
	step(i, "cannot start",
	     sys_thread_ctl(thread, THREAD_START, server_slot(i, BLOCK_ASPACE), server_slot(i, BLOCK_CAPTABLE),
			    start[i].entry, start[i].sp, NULL, NULL, NULL, NULL));
}

void servers_start(void)
{
	const struct manifest *m = &init.manifest;

	for (u32 priority = PRIO_INIT; priority-- > PRIO_PROGRAM;)
		for (u32 i = 0; i < m->servers; i++)
			if (m->server[i].priority == priority)
				server_start(i);
}
