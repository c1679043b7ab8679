// SPDX-License-Identifier: MIT
// pipes [MIB [PAIRS]]: PAIRS pairs of a producer and a consumer, all at once, each with an array of MIB in memory that
// goes through a pipe in large pieces. What arrives is checked.
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECE 100000

static size_t bytes;

static unsigned int word(size_t i, int pair)
{
	return (unsigned int)i * 2654435761u + (unsigned int)pair;
}

static int produce(int fd, int pair)
{
	unsigned int *array = malloc(bytes);
	char *from = (char *)array;

	if (!array)
		return 3;
	for (size_t i = 0; i < bytes / sizeof(*array); i++)
		array[i] = word(i, pair);
	for (size_t left = bytes; left;) {
		ssize_t done = write(fd, from, left < PIECE ? left : PIECE);

		if (done <= 0)
			return 4;
		from += done;
		left -= (size_t)done;
	}
	return 0;
}

static int consume(int fd, int pair)
{
	unsigned int *array = malloc(bytes);
	char *to = (char *)array;

	if (!array)
		return 3;
	for (size_t left = bytes; left;) {
		ssize_t done = read(fd, to, left);

		if (done <= 0)
			return 5;
		to += done;
		left -= (size_t)done;
	}
	for (size_t i = 0; i < bytes / sizeof(*array); i++)
		if (array[i] != word(i, pair))
			return 6;
	return 0;
}

int main(int argc, char **argv)
{
	int pairs = argc > 2 ? atoi(argv[2]) : 3, fd[2], status, bad = 0;

	bytes = (argc > 1 ? strtoul(argv[1], NULL, 0) : 4) << 20;
	for (int pair = 0; pair < pairs; pair++) {
		if (pipe(fd)) {
			perror("pipes: pipe");
			return 1;
		}
		if (fork() == 0) {
			close(fd[0]);
			_exit(produce(fd[1], pair));
		}
		close(fd[1]);
		if (fork() == 0)
			_exit(consume(fd[0], pair));
		close(fd[0]);
	}
	while (wait(&status) > 0)
		if (status) {
			printf("pipes: a process ended with status 0x%x\n", status);
			bad = 1;
		}
	puts(bad ? "pipes: wrong" : "pipes: ok");
	return bad;
}
