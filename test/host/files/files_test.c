// SPDX-License-Identifier: MIT
// files: the rules one by one, then random operations against the model (model.c).
//
//	files_test [operations [seed]]
#include "host.h"
#include "model.h"

#include <fcntl.h>

static u64 w[MSG_WORDS];

static void live(u32 slot, u32 pid)
{
	host_live[slot] = pid;
}

static err_t call(u32 slot, u64 label, u64 a, u64 b, u64 c)
{
	memset(w, 0, sizeof(w));
	w[0] = a;
	w[1] = b;
	w[2] = c;
	return host_call(slot, label, w, NULL);
}

static err_t on_path(u32 slot, u64 label, const char *path, u64 a, u64 b)
{
	strcpy((char *)host_buffer(slot), path);
	return call(slot, label, a, b, 0);
}

static u64 open_ok(u32 slot, const char *path, u64 flags)
{
	EXPECT(on_path(slot, OP_FILES_OPEN, path, flags, 0644) == 0);
	return w[0];
}

static void write_ok(u32 slot, u64 fd, const char *text)
{
	memcpy(host_buffer(slot), text, strlen(text));
	EXPECT(call(slot, OP_FILES_WRITE, fd, strlen(text), 0) == 0 && w[0] == strlen(text));
}

static void read_ok(u32 slot, u64 fd, const char *text)
{
	memset(host_buffer(slot), 0, 256);
	EXPECT(call(slot, OP_FILES_READ, fd, 255, 0) == 0 && w[0] == strlen(text));
	EXPECT(!strcmp((char *)host_buffer(slot), text));
}

static void test_names(void)
{
	u64 fd;

	host_start(64);
	live(1, 1);
	EXPECT(call(1, OP_FILES_DESCRIPTORS, 0, 0, 0) == 0 && w[0] == 7 && w[1] == 7);
	EXPECT(on_path(1, OP_FILES_STAT, "/etc/words", 0, 0) == 0 && w[0] == FD_ARCHIVE && w[1] == 3 * PAGE_SIZE + 17);
	EXPECT(on_path(1, OP_FILES_STAT, "/bad/entry", 0, 0) == -ERR_NOENT);
	EXPECT(on_path(1, OP_FILES_STAT, "/a/b/deep", 0, 0) == 0);
	EXPECT(on_path(1, OP_FILES_STAT, "/a//./b/../b/deep", 0, 0) == 0);
	EXPECT(on_path(1, OP_FILES_STAT, "/a/b/deep/", 0, 0) == -ERR_NOTDIR);
	EXPECT(on_path(1, OP_FILES_STAT, "/../..", 0, 0) == 0 && w[4] == NODE_ROOT);
	EXPECT(on_path(1, OP_FILES_STAT, "", 0, 0) == -ERR_NOENT);
	EXPECT(on_path(1, OP_FILES_IMAGE, "/sbin/init", 0, 0) == 0 && w[0] == 1 && w[1] == 5);
	EXPECT(on_path(1, OP_FILES_IMAGE, "/etc", 0, 0) == -ERR_ISDIR);
	fd = open_ok(1, "/a/b/deep", OPEN_READ);
	EXPECT(call(1, OP_FILES_IMAGE_OF, fd, 0, 0) == 0 && w[0] == 6 && w[1] == 100);
	EXPECT(call(1, OP_FILES_IMAGE_OF, 0, 0, 0) == -ERR_NOEXEC);
	EXPECT(call(1, OP_FILES_CLOSE, fd, 0, 0) == 0 && call(1, OP_FILES_IMAGE_OF, fd, 0, 0) == -ERR_BADF);
	EXPECT(on_path(1, OP_FILES_UNLINK, "/dev/null", 0, 0) == -ERR_ROFS);
	EXPECT(on_path(1, OP_FILES_RMDIR, "/tmp", 0, 0) == -ERR_ROFS);
	EXPECT(on_path(1, OP_FILES_MKDIR, "/tmp/d/", 0700, 0) == 0);
	EXPECT(on_path(1, OP_FILES_CHDIR, "/tmp/d", 0, 0) == 0);
	EXPECT(call(1, OP_FILES_GETCWD, 0, 0, 0) == 0 && w[0] == 6 && !strcmp((char *)host_buffer(1), "/tmp/d"));
	fd = open_ok(1, "f", OPEN_WRITE | OPEN_CREATE | OPEN_EXCL);
	EXPECT(on_path(1, OP_FILES_OPEN, "f", OPEN_WRITE | OPEN_CREATE | OPEN_EXCL, 0) == -ERR_EXIST);
	write_ok(1, fd, "hello");
	EXPECT(on_path(1, OP_FILES_RMDIR, "/tmp/d", 0, 0) == -ERR_NOTEMPTY);
	memcpy(host_buffer(1), "f\0../g", 7);
	EXPECT(call(1, OP_FILES_RENAME, 0, 0, 0) == 0);
	EXPECT(on_path(1, OP_FILES_RMDIR, "/tmp/d", 0, 0) == 0);
	EXPECT(on_path(1, OP_FILES_STAT, ".", 0, 0) == -ERR_NOENT);
	EXPECT(on_path(1, OP_FILES_STAT, "..", 0, 0) == -ERR_NOENT);
	EXPECT(call(1, OP_FILES_GETCWD, 0, 0, 0) == -ERR_NOENT);
	fd = open_ok(1, "/tmp/g", OPEN_READ);
	EXPECT(on_path(1, OP_FILES_UNLINK, "/tmp/g", 0, 0) == 0);
	read_ok(1, fd, "hello"); // unlinked, still open
	EXPECT(call(1, OP_FILES_CLOSE, fd, 0, 0) == 0);
	memset(host_buffer(1), 'x', PATH_BYTES);
	EXPECT(call(1, OP_FILES_STAT, 0, 0, 0) == -ERR_NAMETOOLONG);
	host_stop();
}

static void test_archive_write(void)
{
	u64 fd, fd2;

	host_start(64);
	live(1, 1);
	fd = open_ok(1, "/a/b/deep", OPEN_READ);
	fd2 = open_ok(1, "/a/b/deep", OPEN_WRITE | OPEN_APPEND);
	write_ok(1, fd2, "more");
	EXPECT(call(1, OP_FILES_SEEK, fd, 100, 0) == 0);
	read_ok(1, fd, "more"); // the older descriptor sees it
	EXPECT(on_path(1, OP_FILES_IMAGE, "/a/b/deep", 0, 0) == -ERR_NOEXEC);
	host_quota = host_pages_used; // no room to copy the other file
	EXPECT(on_path(1, OP_FILES_OPEN, "/etc/words", OPEN_WRITE, 0) == -ERR_NOSPC);
	EXPECT(on_path(1, OP_FILES_STAT, "/etc/words", 0, 0) == 0 && w[0] == FD_ARCHIVE && w[1] == 3 * PAGE_SIZE + 17);
	host_quota = HOST_PAGES;
	host_stop();
}

static void test_pipe(void)
{
	u64 token, reply, r, wr;

	host_start(64);
	live(1, 1);
	EXPECT(call(1, OP_FILES_PIPE, 0, 0, 0) == 0);
	r = w[0];
	wr = w[1];
	EXPECT(call(1, OP_FILES_FORK_PREPARE, 0, 0, 0) == 0);
	token = w[0];
	live(2, 7);
	EXPECT(call(2, OP_FILES_FORK_ATTACH, token ^ 64, 0, 0) == -ERR_NOENT);
	EXPECT(call(2, OP_FILES_FORK_ATTACH, token, 0, 0) == 0);
	EXPECT(call(2, OP_FILES_FORK_ATTACH, token, 0, 0) == -ERR_NOENT);
	EXPECT(call(2, OP_FILES_CLOSE, wr, 0, 0) == 0);
	memset(w, 0, sizeof(w));
	w[0] = r;
	w[1] = 56;
	EXPECT(host_call(2, OP_FILES_READ_SMALL, w, &reply) == PARKED);
	EXPECT(call(1, OP_FILES_WRITE_SMALL, wr, 3, 0x636261) == 0 && w[0] == 3);
	EXPECT(host_answer_count == 1 && host_answers[0].rq.reply == reply && host_answers[0].rq.w[0] == 3);
	EXPECT(!memcmp(&host_answers[0].rq.w[1], "abc", 3));
	host_answer_count = 0;
	// more than fits: the writer waits, and goes on as the reader reads
	memset(host_buffer(1), 'z', 5000);
	EXPECT(call(1, OP_FILES_WRITE, wr, 5000, 0) == PARKED);
	EXPECT(call(2, OP_FILES_READ, r, 1000, 0) == 0 && w[0] == 1000);
	EXPECT(host_answer_count == 1 && host_answers[0].rq.w[0] == 5000);
	EXPECT(call(2, OP_FILES_READ, r, 9000, 0) == 0 && w[0] == 4000);
	host_answer_count = 0;
	// end of the pipe
	memset(w, 0, sizeof(w));
	w[0] = r;
	w[1] = 10;
	EXPECT(host_call(2, OP_FILES_READ_SMALL, w, &reply) == PARKED);
	EXPECT(call(1, OP_FILES_CLOSE, wr, 0, 0) == 0);
	EXPECT(host_answer_count == 1 && host_answers[0].rq.w[0] == 0 && !host_answers[0].rq.label);
	host_stop();
}

// A snapshot that nobody will take must not keep a pipe open.
static void test_snapshot(void)
{
	u64 r, wr;

	host_start(64);
	live(1, 1);
	EXPECT(call(1, OP_FILES_PIPE, 0, 0, 0) == 0);
	r = w[0];
	wr = w[1];
	EXPECT(call(1, OP_FILES_FORK_PREPARE, 0, 0, 0) == 0); // taken back
	EXPECT(call(1, OP_FILES_FORK_ATTACH, w[0], 0, 0) == 0);
	EXPECT(call(1, OP_FILES_FORK_PREPARE, 0, 0, 0) == 0); // its child dies before it attaches
	live(3, 9);
	EXPECT(call(1, OP_FILES_CLOSE, wr, 0, 0) == 0);
	clients_reap();
	EXPECT(call(1, OP_FILES_READ, r, 10, 0) == PARKED);
	live(3, 0);
	clients_reap();
	EXPECT(host_answer_count == 1 && host_answers[0].rq.w[0] == 0);
	host_answer_count = 0;
	for (u32 i = 0; i < SNAPSHOTS; i++)
		EXPECT(call(1, OP_FILES_FORK_PREPARE, 0, 0, 0) == 0);
	EXPECT(call(1, OP_FILES_FORK_PREPARE, 0, 0, 0) == -ERR_NFILE);
	clients_reap(); // the last one's fork may still come
	EXPECT(call(1, OP_FILES_FORK_PREPARE, 0, 0, 0) == 0);
	host_stop();
}

static void test_limits(void)
{
	u64 fd;

	host_start(64);
	live(1, 1);
	live(2, 2);
	fd = open_ok(1, "/tmp/big", OPEN_READ | OPEN_WRITE | OPEN_CREATE);
	for (;;) { // fill the store
		err_t err = call(1, OP_FILES_WRITE, fd, FILES_BUFFER_SIZE, 0);

		if (err) {
			EXPECT(err == -ERR_NOSPC);
			break;
		}
	}
	EXPECT(host_pages_used == HOST_PAGES);
	EXPECT(call(1, OP_FILES_PIPE, 0, 0, 0) == -ERR_NOSPC);
	EXPECT(call(1, OP_FILES_FTRUNCATE, fd, 1, 0) == 0);
	EXPECT(host_pages_used <= 3);
	EXPECT(call(1, OP_FILES_FTRUNCATE, fd, 1ull << 40, 0) == -ERR_FBIG);
	EXPECT(call(1, OP_FILES_FTRUNCATE, fd, 1ull << 32, 0) == 0); // sparse
	EXPECT(call(1, OP_FILES_SEEK, fd, (u64)-4, 2) == 0 && w[0] == (1ull << 32) - 4);
	EXPECT(call(1, OP_FILES_READ, fd, 100, 0) == 0 && w[0] == 4);
	EXPECT(call(1, OP_FILES_WRITE_SMALL, fd, 1, 'x') == -ERR_FBIG);
	for (u32 i = 4; i < FD_MAX; i++)
		open_ok(1, "/dev/null", OPEN_READ);
	EXPECT(on_path(1, OP_FILES_OPEN, "/dev/null", OPEN_READ, 0) == -ERR_MFILE);
	EXPECT(call(1, OP_FILES_DUP, 0, ~0ull, 0) == -ERR_MFILE);
	for (u32 i = 0;; i++) { // all names
		char path[32];
		err_t err;

		snprintf(path, sizeof(path), "/tmp/n%u", i);
		err = on_path(2, OP_FILES_MKDIR, path, 0777, 0);
		if (err) {
			EXPECT(err == -ERR_NOSPC);
			break;
		}
	}
	EXPECT(call(1, OP_FILES_READ, 0, 10, 0) == -ERR_INVAL); // the console is read elsewhere
	EXPECT(call(1, OP_FILES_READ, 64, 10, 0) == -ERR_BADF);
	EXPECT(call(1, OP_FILES_READ, fd, 10, FILES_BUFFER_SIZE - 9) == -ERR_INVAL);
	EXPECT(call(1, 3 << 16 | 99, 0, 0, 0) == -ERR_NOSYS);
	host_live[2] = 5; // the slot has a new owner before its death was told
	EXPECT(call(2, OP_FILES_GETCWD, 0, 0, 0) == 0);
	host_live[2] = 2; // an old capability of a dead process must not end the new one
	host_live[2] = 6;
	{
		struct request rq = { .label = OP_FILES_GETCWD, .badge = 2 | 5 << 16, .reply = 1 };

		host_live[2] = 6;
		clients_reap();
		EXPECT(!client_get(rq.badge));
	}
	host_stop();
}

int main(int argc, char **argv)
{
	u64 operations = argc > 1 ? strtoull(argv[1], NULL, 0) : 300000;
	u64 seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;

	test_names();
	test_archive_write();
	test_pipe();
	test_snapshot();
	test_limits();
	model_run(operations, seed);
	printf("files: OK (%lu random operations, seed %lu)\n", (unsigned long)operations, (unsigned long)seed);
	return 0;
}
