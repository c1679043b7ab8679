// SPDX-License-Identifier: MIT
// The model checker of the frame table and the page tables.
//
//	model [--steps N] [--seed S] [--explore SECONDS]
// Without arguments: as much as JJOK_TEST (quick, full) asks for. test/host/mm/test_model.py takes it further, without
// sanitizers.
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <test/model/world.h>

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "steps", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ "explore", required_argument, NULL, 'e' },
		{ 0 },
	};
	const char *test = getenv("JJOK_TEST");
	bool quick = test && !strcmp(test, "quick");
	u64 steps = quick ? 100000 : 1500000, seconds = quick ? 1 : 12, seed = 1;
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		u64 value = optarg ? strtoull(optarg, NULL, 0) : 0;
		if (c == 'n')
			steps = value;
		else if (c == 's')
			seed = value;
		else if (c == 'e')
			seconds = value;
		else
			return 2;
	}
	printf("model: %lu s of exploration, %lu random steps, seed %lu\n", seconds, steps, seed);
	if (seconds)
		explore(seconds);
	if (steps)
		random_run(steps, seed);
	puts("OK");
	return 0;
}
