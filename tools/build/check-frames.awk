# SPDX-License-Identifier: MIT
# Reads what gcc says of the stack usage of kernel/fast*.c: a function fastpath_* must use no stack at all.
{
	n = split($1, place, ":")
	if (place[n] ~ /^fastpath_/) {
		seen++
		if ($2 != 0) {
			printf "%s: %s uses %d bytes of stack; the fast path must use none\n", place[1], place[n], $2 > "/dev/stderr"
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
