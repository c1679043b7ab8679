#!/bin/sh
# SPDX-License-Identifier: MIT
# Times a cold build of the project's own code, as `make run` would make it: in a folder of its own, with the objects of
# third-party sources (libfdt, Lua) made before the clock starts.   usage: time.sh ARCH
set -eu
cd "$(dirname "$0")/../.."
unset MAKEFLAGS MAKELEVEL MFLAGS || true # a build of its own, not a part of the one that started this
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
third_party=$(make -s ARCH="$1" BUILD="$build" print-third-party | grep '\.o$')
make -s ARCH="$1" BUILD="$build" $third_party >/dev/null
start=$(date +%s%N)
make ARCH="$1" BUILD="$build" all >"$build/log"
end=$(date +%s%N)
echo "cold build, $1, own code: $(((end - start) / 1000000)) ms on $(nproc) cores ($(grep -c 'CC\|AS' "$build/log") objects)"
start=$(date +%s%N)
make ARCH="$1" BUILD="$build" all >/dev/null
end=$(date +%s%N)
echo "no-op build: $(((end - start) / 1000000)) ms"
