#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds picolibc for x86_64, for which Debian has no binary package, from its pinned source into
# build/third_party/picolibc-x86_64 (include/, lib/); once: .pin there names the source and this file.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
source="$root/build/third_party/picolibc"
out="$root/build/third_party/picolibc-x86_64"
work="$root/build/setup/picolibc-x86_64"
log="$root/build/setup/picolibc-x86_64.log"
pin=$(cat "$source/.pin" "$root/tools/setup/x86_64.sh" | sha256sum)

[ ! -f "$out/.pin" ] || [ "$(cat "$out/.pin")" != "$pin" ] || exit 0
echo "setup: building picolibc for x86_64 (once, about a minute)" >&2
rm -rf "$work" "$out.new"
# Baseline x86_64, and the options that Debian's riscv64 build has: whole printf, no threads, TLS at fixed offsets.
# The compiler is Debian's for Linux; programs here are not, so its macros for that go.
if ! {
	meson setup "$work" "$source" --cross-file "$source/scripts/cross-x86_64-linux-gnu.txt" --prefix="$out.new" \
		--libdir=lib --includedir=include --buildtype=minsize -Db_staticpic=false -Dmultilib=false -Dtests=false \
		-Dposix-console=true -Dsemihost=false -Dpicocrt=false -Dspecsdir=none -Dio-long-double=true -Dsingle-thread=true \
		-Dc_args="-march=x86-64 -fcf-protection=none -fno-stack-protector -mno-red-zone -U__linux__ -U__gnu_linux__ -Ulinux -U__linux" &&
	ninja -C "$work" install
} >"$log" 2>&1 </dev/null; then
	tail -20 "$log" >&2
	echo "setup: picolibc for x86_64 could not be built; the whole of it: $log" >&2
	exit 1
fi
printf '%s\n' "$pin" >"$out.new/.pin"
rm -rf "$out" "$work"
mv "$out.new" "$out"
