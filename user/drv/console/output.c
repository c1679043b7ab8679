// SPDX-License-Identifier: MIT
#include "output.h"

static void put(struct output *o, u8 byte)
{
	if (byte == '\n')
		o->byte[o->tail++ % OUTPUT_BYTES] = '\r';
	o->byte[o->tail++ % OUTPUT_BYTES] = byte;
}

bool output_text(struct output *o, const u8 *text, u32 len)
{
	u32 need = len;

	for (u32 i = 0; i < len; i++)
		need += text[i] == '\n';
	if (need > OUTPUT_BYTES - OUTPUT_ECHO || output_used(o) > OUTPUT_BYTES - OUTPUT_ECHO - need)
		return false;
	for (u32 i = 0; i < len; i++)
		put(o, text[i]);
	return true;
}

void output_echo(struct output *o, const char *text)
{
	for (; *text; text++)
		if (output_used(o) + 2 <= OUTPUT_BYTES)
			put(o, (u8)*text);
}
