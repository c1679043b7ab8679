#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the Debian packages of the named groups (tools/setup/packages.txt) that are missing, fetches the pinned
# third-party sources (pins.txt), and builds what a group must build once (GROUP.sh). Run by make; does nothing, quickly,
# when all is there.   usage: setup.sh GROUP...
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

say() { echo "setup: $*" >&2; }
die() { say "$*"; exit 1; }

packages_missing() {
	installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null | sed -n 's/ installed$//p')
	for package in "$@"; do
		echo "$installed" | grep -qx "$package" || echo "$package"
	done
}

packages_install() {
	if [ "$(id -u)" -eq 0 ]; then
		sudo=
	elif command -v sudo >/dev/null; then
		sudo="sudo"
	else
		die "root or sudo is needed to run: apt-get install" "$@"
	fi
	say "installing from Debian:" "$@"
	$sudo apt-get -q update >&2 || say "apt-get update had errors; going on with the lists that are there"
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get -qy --no-install-recommends install "$@" >&2 ||
		die "apt-get could not install:" "$@"
}

command -v dpkg-query >/dev/null || die "this is no Debian system; packages needed are listed in tools/setup/packages.txt"
mkdir -p "$root/build/setup"
exec 9>"$root/build/setup/lock"
flock 9

host=$(dpkg --print-architecture)
wanted=
for group in "$@"; do
	wanted="$wanted $(awk -v group="$group" -v host="$host" \
		'$1 == group && ($3 == "" || $3 == host || ($3 ~ /^!/ && $3 != "!" host)) { print $2 }' "$here/packages.txt")"
done
missing=$(packages_missing $wanted)
[ -z "$missing" ] || packages_install $missing
python3 "$here/fetch.py" "$@"
for group in "$@"; do
	[ ! -f "$here/$group.sh" ] || sh "$here/$group.sh"
done
