// SPDX-License-Identifier: MIT
// The line discipline and the output ring: keys in, lines and echo out; then random keys and reads that must keep the
// invariants.
#include <user/drv/console/line.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(cond) ((cond) ? (void)0 : fail(__LINE__, #cond))

static _Noreturn void fail(int line, const char *what)
{
	fprintf(stderr, "console_test.c:%d: failed: %s\n", line, what);
	abort();
}

static struct line line;
static struct output output;

static void start(u32 mode)
{
	memset(&line, 0, sizeof(line));
	memset(&output, 0, sizeof(output));
	line_mode(&line, mode);
}

static bool type(const char *keys)
{
	bool interrupt = false;

	for (; *keys; keys++)
		interrupt |= line_key(&line, (u8)*keys, &output);
	return interrupt;
}

static void echoed(const char *text)
{
	char got[OUTPUT_BYTES + 1];
	u32 n = 0;

	while (output_used(&output))
		got[n++] = (char)output_take(&output);
	got[n] = '\0';
	if (strcmp(got, text)) {
		fprintf(stderr, "echo was \"%s\", not \"%s\"\n", got, text);
		fail(__LINE__, text);
	}
}

static void reads(const char *text, u32 len)
{
	u8 got[64] = { 0 };

	EXPECT(line_ready(&line));
	EXPECT(line_read(&line, got, len) == strlen(text) && !memcmp(got, text, strlen(text)));
}

static void test_cooked(void)
{
	start(0);
	EXPECT(!type("ab") && !line_ready(&line) && line_count(&line) == 0);
	type("c\r");
	EXPECT(line_count(&line) == 4);
	echoed("abc\r\n");
	reads("abc\n", 56);
	EXPECT(!line_ready(&line));
	type("one\ntwo\n");
	reads("on", 2);
	reads("e\n", 56);
	reads("two\n", 56);
	start(0);
	type("abx\x7f\x08z\n");
	echoed("abx\b \b\b \bz\r\n");
	reads("az\n", 56);
	type("some words\x17w\x15"
	     "end\n");
	reads("end\n", 56);
	start(0);
	type("\x08\x15\x17\xc3\xa4\x08k\n"); // nothing to erase; then a character of two bytes goes at once
	reads("k\n", 56);
	start(0);
	type("\x01\x08");
	echoed("^A\b \b\b \b");
	type("\x04"); // end of input
	reads("", 56);
	type("ab\x04");
	reads("ab", 2); // the end goes with the bytes before it
	EXPECT(!line_ready(&line));
	start(CONSOLE_NOECHO);
	type("secret\n");
	echoed("");
	reads("secret\n", 56);
}

static void test_interrupt(void)
{
	start(0);
	EXPECT(type("old\nnew\x03"));
	EXPECT(!line_ready(&line) && line.ends == 0);
	echoed("old\r\nnew^C\r\n");
	start(CONSOLE_RAW);
	EXPECT(type("x\x03") && !line_ready(&line));
	echoed("");
	line_push(&line, 3);
	reads("\x03", 56);
	/* Who leaves raw mode without reading it does not find it in his input. */
	EXPECT(type("\x03"));
	line_push(&line, 3);
	line_mode(&line, 0);
	EXPECT(!line_ready(&line) && line.head == line.tail);
}

static void test_raw(void)
{
	start(CONSOLE_RAW);
	type("a\r\x04\x7f");
	reads("a\r\x04\x7f", 56);
	start(0);
	type("typed ahead"); // a cooked line that a raw reader takes over
	line_mode(&line, CONSOLE_RAW);
	reads("typed ahead", 56);
	start(0);
	type("ab\x04");
	line_mode(&line, CONSOLE_RAW);
	reads("ab\x04", 56);
	EXPECT(line.ends == 0);
}

static void test_full(void)
{
	start(0);
	for (int i = 0; i < 2000; i++)
		type("x");
	EXPECT(line.len == LINE_BYTES);
	type("\n");
	type("\x15");
	for (int i = 0; i < INPUT_ITEMS; i++)
		type("\n");
	EXPECT(line.tail - line.head == INPUT_ITEMS);
	type("more\n"); // stays in the edit buffer until there is room
	EXPECT(line.len == 4);
	start(CONSOLE_RAW);
	for (int i = 0; i < 2000; i++)
		type("x");
	EXPECT(line_count(&line) == INPUT_ITEMS);
	line_mode(&line, 0);
	EXPECT(line_ready(&line)); // no end could come any more
	start(0);
	for (u32 i = 0; i < 500; i++)
		EXPECT(output_text(&output, (const u8 *)"12345678\n", 9) == (i < (OUTPUT_BYTES - OUTPUT_ECHO) / 10));
	output_echo(&output, "seen");
	EXPECT(output_used(&output) == (OUTPUT_BYTES - OUTPUT_ECHO) / 10 * 10 + 4);
}

// Whatever is typed, read and switched: counters fit, and reads give what was typed in order when nothing edits it.
static void test_random(u64 rounds)
{
	static const char keys[] = "ab \n\r\x04\x03\x08\x17\x15\xc3\xa4\x01";
	u64 state = 1;

	start(0);
	for (u64 i = 0; i < rounds; i++) {
		u8 out[56];
		u32 ends = 0, n;

		state = state * 6364136223846793005ull + 1442695040888963407ull;
		n = (u32)(state >> 33);
		if (n % 64 == 0)
			line_mode(&line, n >> 8 & 3);
		else if (n % 16 == 0 && line_ready(&line)) {
			u32 count = line_count(&line), len = 1 + (n >> 8) % 56;
			u32 got = line_read(&line, out, len);

			EXPECT(got == (count < len ? count : len));
		} else
			line_key(&line, (u8)keys[(n >> 8) % (sizeof(keys) - 1)], &output);
		for (u32 at = line.head; at != line.tail; at++)
			ends += line.item[at % INPUT_ITEMS] == '\n' || line.item[at % INPUT_ITEMS] == 0x100;
		EXPECT(ends == line.ends && line.tail - line.head <= INPUT_ITEMS && line.len <= LINE_BYTES);
		EXPECT(!(line.mode & CONSOLE_RAW) || !line.len);
		EXPECT(output_used(&output) <= OUTPUT_BYTES);
		while (output_used(&output) > n % OUTPUT_BYTES)
			output_take(&output);
	}
}

int main(int argc, char **argv)
{
	test_cooked();
	test_interrupt();
	test_raw();
	test_full();
	test_random(argc > 1 ? strtoull(argv[1], NULL, 0) : 200000);
	printf("console: OK\n");
	return 0;
}
