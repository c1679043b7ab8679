// SPDX-License-Identifier: MIT
#include "check.h"

void test_commands(void)
{
	char line[64];
	FILE *f;

	CHECK(system(NULL) && system("exit 7") == 7 << 8 && system("true && false || exit 2") == 2 << 8);
	f = popen("echo one; echo two", "r");
	CHECK(f && fgets(line, sizeof(line), f) && !strcmp(line, "one\n") && fgets(line, sizeof(line), f));
	CHECK(!fgets(line, sizeof(line), f) && pclose(f) == 0);
	f = popen("cat > /tmp/popen; exit 3", "w");
	CHECK(f && fputs("written\n", f) >= 0 && WEXITSTATUS(pclose(f)) == 3);
	f = fopen("/tmp/popen", "r");
	CHECK(f && fgets(line, sizeof(line), f) && !strcmp(line, "written\n") && fclose(f) == 0);
	CHECK(!popen("true", "x") && errno == EINVAL);
	CHECK(setenv("NAME", "value", 1) == 0 &&
	      system("test_is_missing 2>/dev/null; echo $NAME | grep -q '^value$'") == 0);
}
