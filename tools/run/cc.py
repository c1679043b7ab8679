# SPDX-License-Identifier: MIT
"""jjok cc: gcc with Jjok's C library, start code and linker script. The flags are the build's own (cc.flags)."""
import shlex
import subprocess

from run.machine import ROOT, UsageError


def run(settings, arguments):
    flags_file = settings.out / "cc.flags"
    if not flags_file.is_file():
        raise UsageError(f"{flags_file} is missing; run `make` first")
    compiler, link, libraries = (shlex.split(line) for line in flags_file.read_text().splitlines())
    if not arguments:
        raise UsageError("say what to compile: jjok cc prog.c -o prog")
    # Paths in the flags count from the repository, those in the arguments from where the caller stands.
    compiler, link, libraries = (in_repository(words) for words in (compiler, link, libraries))
    only_compile = {"-c", "-S", "-E"} & set(arguments)
    command = [*compiler, *arguments] if only_compile else [*compiler, *link, *arguments, *libraries]
    return subprocess.run(command, check=False).returncode


def in_repository(words):
    """Makes relative paths in the flags absolute: -Ifolder, -Lfolder, and words that name a file of the repository."""
    done = []
    for word in words:
        prefix = word[:2] if word.startswith(("-I", "-L")) else ""
        path = word[len(prefix):]
        known = prefix or (not path.startswith("-") and "/" in path)
        done.append(prefix + str(ROOT / path) if known and not path.startswith("/") else word)
    return done
