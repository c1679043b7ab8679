// SPDX-License-Identifier: MIT
// A tree of processes: each sums a part of a table and adds what its children report through pipes and exit statuses.
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define N 65536

static unsigned int table[N];

static unsigned long sum(int low, int high, int depth)
{
	unsigned long total = 0;
	int middle = (low + high) / 2, pipes[2], status;
	pid_t child;

	if (depth == 0) {
		for (int i = low; i < high; i++)
			total += table[i]++; // a private copy: nobody else sees it
		return total;
	}
	if (pipe(pipes)) {
		perror("pipe");
		exit(2);
	}
	child = fork();
	if (child < 0) {
		perror("fork");
		exit(2);
	}
	if (child == 0) {
		unsigned long part = sum(low, middle, depth - 1);

		close(pipes[0]);
		_exit(write(pipes[1], &part, sizeof(part)) == sizeof(part) ? depth : 99);
	}
	close(pipes[1]);
	total = sum(middle, high, depth - 1);
	unsigned long part = 0;
	if (read(pipes[0], &part, sizeof(part)) != sizeof(part))
		exit(3);
	close(pipes[0]);
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != depth)
		exit(4);
	return total + part;
}

int main(void)
{
	unsigned long expected = 0;

	for (int i = 0; i < N; i++)
		expected += table[i] = (unsigned int)i * 2654435761u;
	for (int depth = 0; depth < 6; depth++) {
		unsigned long found = sum(0, N, depth);

		expected = 0;
		for (int i = 0; i < N; i++)
			expected += (unsigned int)i * 2654435761u;
		if (depth == 0)
			for (int i = 0; i < N; i++)
				table[i]--;
		else
			for (int i = N - N / (1 << depth); i < N; i++) // the last part was this process' own
				table[i]--;
		if (found != expected) {
			printf("forktree: depth %d: %lu, expected %lu\n", depth, found, expected);
			return 1;
		}
	}
	puts("forktree: ok");
	return 0;
}
