// SPDX-License-Identifier: MIT
// The frame table itself. Boot code sets `mem` and maps the array; everything is RESERVED (all zero) until it is handed
// to a buddy.
#include <mm/page.h>

struct mem_info mem;

const char *page_state_name(u32 state)
{
	static const char *const names[] = { "RESERVED", "FREE", "OWNED", "EVICTING", "TABLE", "OBJECT" };
	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "(illegal)";
}
