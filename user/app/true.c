// SPDX-License-Identifier: MIT
#include "app.h"

int main(int argc, char **argv)
{
	app_start(argc, argv, "true\nDoes nothing, successfully.\n");
	return 0;
}
