// SPDX-License-Identifier: MIT
#include "app.h"

int main(int argc, char **argv)
{
	app_start(argc, argv, "false\nDoes nothing, with status 1.\n");
	return 1;
}
