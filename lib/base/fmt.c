// SPDX-License-Identifier: MIT
#include <lib/base/fmt.h>
#include <lib/base/string.h>

struct out {
	char *buf;
	size_t size;
	size_t len; // characters the whole text has so far, kept or not
};

struct spec {
	bool left, zero;
	int width;
	int precision; // -1: none
	int longs;     // 1: long or size_t, 2: long long
};

static void out_char(struct out *out, char c)
{
	if (out->len + 1 < out->size)
		out->buf[out->len] = c;
	out->len++;
}

static void out_pad(struct out *out, char c, int n)
{
	for (; n > 0; n--)
		out_char(out, c);
}

static void out_text(struct out *out, const struct spec *spec, const char *s)
{
	if (!s)
		s = "(null)";
	size_t len = spec->precision >= 0 ? strnlen(s, spec->precision) : strlen(s);
	if (!spec->left)
		out_pad(out, ' ', spec->width - (int)len);
	for (size_t i = 0; i < len; i++)
		out_char(out, s[i]);
	if (spec->left)
		out_pad(out, ' ', spec->width - (int)len);
}

// prefix: "-", "0x" or "". The digits are made from the right into a buffer that holds any 64-bit number in base 10.
static void out_number(struct out *out, const struct spec *spec, u64 value, u32 base, const char *digits,
		       const char *prefix)
{
	char text[24];
	int n = 0;
	do {
		text[n++] = digits[value % base];
		value /= base;
	} while (value);
	int plen = (int)strlen(prefix), pad = spec->width - n - plen;
	if (!spec->left && !spec->zero)
		out_pad(out, ' ', pad);
	for (const char *p = prefix; *p; p++)
		out_char(out, *p);
	if (!spec->left && spec->zero)
		out_pad(out, '0', pad);
	while (n)
		out_char(out, text[--n]);
	if (spec->left)
		out_pad(out, ' ', pad);
}

static const char *spec_number(const char *fmt, int *number)
{
	int n = 0;
	for (; *fmt >= '0' && *fmt <= '9'; fmt++)
		n = n * 10 + *fmt - '0';
	*number = n;
	return fmt;
}

// va_list travels in a struct: as a parameter it may be an array type, whose address is not a va_list *.
struct args {
	va_list list;
};

static const char *spec_parse(const char *fmt, struct spec *spec, struct args *args)
{
	*spec = (struct spec){ .precision = -1 };
	for (;; fmt++) {
		if (*fmt == '-')
			spec->left = true;
		else if (*fmt == '0')
			spec->zero = true;
		else
			break;
	}
	if (*fmt == '*') {
		spec->width = va_arg(args->list, int);
		fmt++;
	} else {
		fmt = spec_number(fmt, &spec->width);
	}
	if (*fmt == '.') {
		fmt++;
		if (*fmt == '*') {
			spec->precision = va_arg(args->list, int);
			fmt++;
		} else {
			fmt = spec_number(fmt, &spec->precision);
		}
	}
	for (; *fmt == 'l' || *fmt == 'z' || *fmt == 'h'; fmt++)
		spec->longs += *fmt != 'h';
	return fmt;
}

static u64 arg_unsigned(const struct spec *spec, struct args *args)
{
	return spec->longs ? va_arg(args->list, unsigned long) : va_arg(args->list, unsigned int);
}

static void out_conversion(struct out *out, char conversion, const struct spec *spec, struct args *args)
{
	static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
	char one[2] = { 0 };
	s64 value;
	switch (conversion) {
	case 'd':
	case 'i':
		value = spec->longs ? va_arg(args->list, long) : va_arg(args->list, int);
		out_number(out, spec, value < 0 ? -(u64)value : (u64)value, 10, lower, value < 0 ? "-" : "");
		break;
	case 'u':
		out_number(out, spec, arg_unsigned(spec, args), 10, lower, "");
		break;
	case 'x':
		out_number(out, spec, arg_unsigned(spec, args), 16, lower, "");
		break;
	case 'X':
		out_number(out, spec, arg_unsigned(spec, args), 16, upper, "");
		break;
	case 'p':
		out_number(out, spec, (uintptr_t)va_arg(args->list, void *), 16, lower, "0x");
		break;
	case 's':
		out_text(out, spec, va_arg(args->list, const char *));
		break;
	case 'c':
		one[0] = (char)va_arg(args->list, int);
		out_text(out, spec, one);
		break;
	default: // "%%", and whatever is not known shows as it is written
		if (conversion != '%')
			out_char(out, '%');
		out_char(out, conversion);
	}
}

int vsnprintf(char *buf, size_t size, const char *fmt, va_list list)
{
	struct out out = { buf, size, 0 };
	struct args args;
	va_copy(args.list, list);
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			out_char(&out, *fmt);
			continue;
		}
		struct spec spec;
		fmt = spec_parse(fmt + 1, &spec, &args);
		if (!*fmt)
			break;
		out_conversion(&out, *fmt, &spec, &args);
	}
	va_end(args.list);
	if (size)
		buf[out.len < size ? out.len : size - 1] = 0;
	return (int)out.len;
}

int snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int len = vsnprintf(buf, size, fmt, args);
	va_end(args);
	return len;
}
