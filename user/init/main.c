// SPDX-License-Identifier: MIT
// init: from the kernel's last step to the first program.
//
// It reads the manifest, checks that nobody waits in a circle, makes and starts the servers, has vm make the first
// program, and then answers the faults of servers and the request to power off. While vm makes the first program init
// must already answer, or a fault of vm would hang; so a second thread, the starter, does the two calls.
#include "init.h"

#include <abi/init_server.h>
#include <abi/stubs.h>
#include <abi/vm_client.h>
#include <lib/base/log.h>
#include <lib/base/string.h>

#define MANIFEST_FILE "/etc/boot.manifest"
#define MANIFEST_WORD "manifest=" // on the kernel's command line: another one (the bench, the fuzzer)

struct init init;

static _Alignas(16) u8 starter_stack[2 * PAGE_SIZE];

static void info_check(const struct boot_info *info)
{
	if (info->magic != BOOT_INFO_MAGIC)
		fatal("init", "the kernel's boot_info has another magic", -ERR_INVAL,
		      "build kernel and init together: make");
	init.info = info;
}

static const char *manifest_path(void)
{
	static char path[MANIFEST_PATH];
	const char *cmdline = (const char *)init.info->cmdline;
	u64 n = strlen(MANIFEST_WORD), i = 0;

	for (const char *s = cmdline; *s; s++) {
		if ((s != cmdline && s[-1] != ' ') || strncmp(s, MANIFEST_WORD, n))
			continue;
		for (s += n; s[i] && s[i] != ' ' && i + 1 < sizeof(path); i++)
			path[i] = s[i];
		return path;
	}
	return MANIFEST_FILE;
}

static void manifest_read(void)
{
	const char *path = manifest_path();
	const struct archive_entry *file = archive_find(&init.archive, path);
	struct manifest_error error;

	if (!file)
		fatal("init", path, -ERR_NOENT, "the boot archive must have one");
	if (manifest_parse((const char *)archive_bytes(&init.archive, file), file->size, &init.manifest, &error) &&
	    graph_check(&init.manifest, &error))
		return;
	log_line("init: %s:%u: %s: %s", path, error.line, error.what, error.word);
	fatal("init", path, -ERR_INVAL, "mend it; the shipped one is user/boot.manifest");
}

static void endpoint_make(void)
{
	check_step("init", "cannot make its endpoint",
		   object_make(TYPE_ENDPOINT, SLOT_SELF_CAPTABLE, SLOT_SELF_ENDPOINT, 0, "init.ep"), "raise MEM=");
	check_step("init", "cannot make its notification",
		   object_make(TYPE_NOTIFICATION, SLOT_SELF_CAPTABLE, SLOT_SELF_NOTIFY, 0, "init.ntfn"), "raise MEM=");
}

static u32 vm_index(void)
{
	for (u32 i = 0; i < init.manifest.servers; i++)
		if (init.manifest.server[i].user_pool)
			return i;
	fatal("vm", "no server has the pool of user memory", -ERR_NOENT, "mend user/boot.manifest");
}

// The starter thread: vm learns of the archive and makes the first program.
static _Noreturn void starter(void)
{
	cptr_t vm = server_slot(vm_index(), BLOCK_ENDPOINT);
	const char *path = init.manifest.first;
	const struct archive_entry *file = archive_find(&init.archive, path);
	const char *base = path;
	u64 name[2] = { 0, 0 }, pid;

	if (!file)
		fatal(path, "cannot run the first program", -ERR_NOENT,
		      "the boot archive has no such file: see user/boot.manifest");
	for (const char *s = path; *s; s++)
		if (*s == '/')
			base = s + 1;
	memcpy(name, base, strlen(base) < sizeof(name) ? strlen(base) : sizeof(name));
	areas_lend();
	check_step("vm", "does not take the boot archive", vm_archive(vm, init.archive_frame, init.info->archive_pages),
		   "see its own line above");
	check_step("vm", path, vm_spawn(vm, file->page, file->size, name[0], name[1], &pid),
		   "it cannot make the first program");
	for (;;) {
		u64 bits;

		// its work is done; nobody sets bits of this notification, and a thread cannot stop itself
		check_step("init", "cannot rest", ipc_wait(SLOT_SELF_NOTIFY, 0, 0, &bits), "a kernel error");
	}
}

static void starter_start(void)
{
	err_t err = object_make(TYPE_THREAD, SLOT_SELF_CAPTABLE, SLOT_STARTER, 0, "init.starter");

	if (!err)
		err = sys_thread_ctl(SLOT_STARTER, THREAD_PRIO, PRIO_INIT - 1, 0, 0, 0, NULL, NULL, NULL, NULL);
	if (!err)
		err = sys_thread_ctl(SLOT_STARTER, THREAD_START, SLOT_SELF_ASPACE, SLOT_SELF_CAPTABLE, (u64)starter,
				     (u64)(starter_stack + sizeof(starter_stack)), NULL, NULL, NULL, NULL);
	check_step("init", "cannot start its second thread", err, "raise MEM=");
}

_Noreturn void init_main(const struct boot_info *info)
{
	info_check(info);
	memory_open();
	archive_take();
	manifest_read();
	endpoint_make();
	servers_make();
	servers_start();
	starter_start();
	init_serve();
}
