// SPDX-License-Identifier: MIT
// Primes by a chain of processes: each takes the multiples of one prime out of what flows through it.
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT 200

static int next(int fd, int *n)
{
	ssize_t done = read(fd, n, sizeof(*n));

	if (done && done != sizeof(*n))
		exit(3);
	return done != 0;
}

// Answers how many primes this process and those behind it found.
static int filter(int in)
{
	int prime, n, pipes[2], status;
	pid_t child;

	if (!next(in, &prime))
		return 0;
	if (pipe(pipes) || (child = fork()) < 0) {
		perror("sieve");
		exit(2);
	}
	if (child == 0) {
		close(in);
		close(pipes[1]);
		exit(filter(pipes[0]));
	}
	close(pipes[0]);
	while (next(in, &n))
		if (n % prime && write(pipes[1], &n, sizeof(n)) != sizeof(n))
			exit(4);
	close(pipes[1]);
	close(in);
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		exit(5);
	return WEXITSTATUS(status) + 1;
}

int main(void)
{
	int pipes[2], found;
	pid_t child;

	if (pipe(pipes) || (child = fork()) < 0) {
		perror("sieve");
		return 2;
	}
	if (child == 0) {
		close(pipes[0]);
		for (int n = 2; n < LIMIT; n++)
			if (write(pipes[1], &n, sizeof(n)) != sizeof(n))
				return 6;
		return 0;
	}
	close(pipes[1]);
	found = filter(pipes[0]);
	waitpid(child, NULL, 0);
	printf("sieve: %d primes below %d\n", found, LIMIT);
	puts(found == 46 ? "sieve: ok" : "sieve: wrong");
	return found != 46;
}
