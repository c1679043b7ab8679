// SPDX-License-Identifier: MIT
#include "check.h"
#include <fcntl.h>
#include <sys/stat.h>

static int pipe_end[2];

static void write_and_go(void)
{
	CHECK(write(pipe_end[1], "from the child", 14) == 14);
}

static void write_much(void)
{
	static char block[100000];

	close(pipe_end[0]);
	memset(block, 'm', sizeof(block));
	CHECK(write(pipe_end[1], block, sizeof(block)) == sizeof(block));
}

static void test_pipes(void)
{
	char buf[4096];
	long total = 0;
	ssize_t got;
	pid_t pid;

	CHECK(pipe(pipe_end) == 0 && in_child(write_and_go) == 0);
	CHECK(read(pipe_end[0], buf, sizeof(buf)) == 14 && !memcmp(buf, "from the child", 14));
	CHECK(write(pipe_end[1], "xyz", 3) == 3 && read(pipe_end[0], buf, 1) == 1 && read(pipe_end[0], buf, 8) == 2);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		write_much();
		_exit(0);
	}
	close(pipe_end[1]);
	while ((got = read(pipe_end[0], buf, sizeof(buf))) > 0)
		total += got;
	CHECK(got == 0 && total == 100000 && waitpid(pid, NULL, 0) == pid);
	close(pipe_end[0]);
	CHECK(pipe(pipe_end) == 0 && close(pipe_end[0]) == 0 && write(pipe_end[1], "x", 1) == -1 && errno == EPIPE);
	CHECK(lseek(pipe_end[1], 0, SEEK_SET) == -1 && errno == ESPIPE && close(pipe_end[1]) == 0);
}

static void test_dup(void)
{
	int fd = open("/tmp/dup", O_RDWR | O_CREAT | O_TRUNC, 0600), other;
	char buf[8];

	CHECK(fd >= 3 && (other = dup(fd)) > fd && write(fd, "ab", 2) == 2 && write(other, "cd", 2) == 2);
	CHECK(lseek(fd, 0, SEEK_CUR) == 4 && dup2(fd, 20) == 20 && dup2(fd, fd) == fd && close(other) == 0);
	CHECK(pread(20, buf, 8, 1) == 3 && !memcmp(buf, "bcd", 3) && lseek(fd, 0, SEEK_CUR) == 4);
	CHECK(pwrite(fd, "ZZ", 2, 1) == 2 && pread(fd, buf, 4, 0) == 4 && !memcmp(buf, "aZZd", 4));
	CHECK(fcntl(fd, F_DUPFD, 30) == 30 && close(30) == 0 && close(20) == 0);
	CHECK((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR && ftruncate(fd, 2) == 0 && lseek(fd, 0, SEEK_END) == 2);
	CHECK(lseek(fd, 5000, SEEK_SET) == 5000 && write(fd, "e", 1) == 1 && pread(fd, buf, 1, 4000) == 1 &&
	      buf[0] == 0);
	CHECK(close(fd) == 0 && close(fd) == -1 && errno == EBADF && read(fd, buf, 1) == -1 && errno == EBADF);
	CHECK(write(-1, buf, 1) == -1 && errno == EBADF && read(1000, buf, 1) == -1 && dup2(1, 64) == -1 &&
	      errno == EBADF);
	CHECK(unlink("/tmp/dup") == 0 && open("/tmp/dup", O_RDONLY) == -1 && errno == ENOENT);
}

void test_descriptors(void)
{
	int fds[80], n = 0, fd;
	struct stat st;

	test_pipes();
	test_dup();
	while (n < 80 && (fds[n] = open("/dev/null", O_RDWR)) >= 0)
		n++;
	CHECK(errno == EMFILE && n > 50 && n < 64 && fstat(fds[0], &st) == 0 && S_ISCHR(st.st_mode));
	CHECK(read(fds[0], &st, 1) == 0 && write(fds[0], &st, sizeof(st)) == sizeof(st));
	while (n > 0)
		CHECK(close(fds[--n]) == 0);
	fd = open("/tmp/append", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
	CHECK(fd >= 0 && write(fd, "1", 1) == 1 && lseek(fd, 0, SEEK_SET) == 0 && write(fd, "2", 1) == 1);
	CHECK(fstat(fd, &st) == 0 && st.st_size == 2 && S_ISREG(st.st_mode) && close(fd) == 0);
	CHECK(open("/tmp/append", O_WRONLY | O_CREAT | O_EXCL, 0644) == -1 && errno == EEXIST);
	CHECK(open("/tmp", O_WRONLY) == -1 && errno == EISDIR && open("/tmp/append", O_RDONLY | O_DIRECTORY) == -1);
	CHECK(errno == ENOTDIR);
}
