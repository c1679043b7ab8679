# SPDX-License-Identifier: MIT
# Reads what gcc says of the stack usage of kernel/fast*.c: a function fastpath_* must use no more
# stack than `most` bytes (make passes it: 0 where the stack pointer is still the user's).
{
	n = split($1, place, ":")
	if (place[n] ~ /^fastpath_/) {
		seen++
		if ($2 > most) {
			printf "%s: %s uses %d bytes of stack; the fast path may use %d\n", place[1], place[n], $2, most > "/dev/stderr"
			bad = 1
		}
	}
}
END {
	if (!seen) {
		print "no function fastpath_* in the compiler's stack usage file" > "/dev/stderr"
		bad = 1
	}
	exit bad
}
