#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rules of the house that a machine can check: who may include what (docs/internals.md), sizes, no #if in generic
code, licence lines, no unfinished marks, format. `lint.py --format` rewrites the C files instead.

An exception is a line in tools/lint-exceptions.txt: RULE PATH DETAIL : reason.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
EXCEPTIONS = ROOT / "tools/lint-exceptions.txt"
CODE_FOLDERS = ("arch", "kernel", "mm", "lib", "user", "test")
FILE_LINES, FUNCTION_LINES, TAB = 800, 80, 8
FORMAT_PASSES = 4  # clang-format needs more than one where it breaks comments anew
COLUMNS = {".c": 120, ".h": 120, ".S": 120, ".py": 140}
MAKEFILE_LINES = 250

# folder -> what its files may include, as path prefixes in the repository; "libc" stands for headers from outside.
# The longest folder that fits decides.
ABI_COMMON = ("abi/abi.h", "abi/abi_const.h", "abi/abi_names.h")
MAY_INCLUDE = {
    "lib/base": ("lib/base", "abi/abi.h", "abi/abi_const.h", "abi/abi_names.h"),
    "lib": ("lib", "user/rt/arch", "abi"),
    "arch/arch.h": ("lib/base", "abi/abi.h", "arch_inline.h"),
    "arch/boot.h": ("lib/base", "abi/abi.h", "arch/arch.h"),
    "arch": ("lib/base", *ABI_COMMON, "arch", "arch_inline.h", "pte.h", "offsets.h", "libfdt.h"),
    "mm": ("lib/base", *ABI_COMMON, "arch/arch.h", "arch_inline.h", "pte.h", "mm"),
    "kernel": ("lib/base", "abi", "arch/arch.h", "arch/boot.h", "arch_inline.h", "pte.h", "mm", "kernel", "libfdt.h"),
    "user": ("lib", "user", "abi", "libc"),
}
FREESTANDING = {"stdbool.h", "stddef.h", "stdint.h", "stdarg.h", "limits.h", "stdnoreturn.h"}
KERNEL_ONLY_ABI = ("abi/kernel.h", "abi/kernel_decode.inc")
GENERIC = ("kernel", "mm", "lib/base", "lib/pager", "lib/slab")
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
REGISTRY_HOST = re.compile(r"\b(deb|security|snapshot|ftp)\.debian\.org\b|\bpypi\.org\b|\bregistry\.npmjs\.org\b")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


class Lint:
    def __init__(self):
        self.complaints = []
        self.exceptions = {}
        self.used = set()
        for number, line in enumerate(EXCEPTIONS.read_text().splitlines() if EXCEPTIONS.is_file() else [], 1):
            if line.strip() and not line.startswith("#"):
                key, colon, reason = line.partition(" : ")
                if not colon or not reason.strip() or len(key.split()) != 3:
                    self.complaints.append(f"{EXCEPTIONS.name}:{number}: say RULE PATH DETAIL : reason")
                else:
                    self.exceptions[tuple(key.split())] = number

    def say(self, rule, path, detail, line, message):
        key = (rule, str(path), detail)
        if key in self.exceptions:
            self.used.add(key)
        else:
            self.complaints.append(f"{path}:{line}: {message} [{rule}]")

    def unused_exceptions(self):
        for key in self.exceptions.keys() - self.used:
            self.complaints.append(f"{EXCEPTIONS.name}:{self.exceptions[key]}: this exception is not needed any more")


def include_resolve(path, quote, name):
    """An include as a path in the repository ("abi/..." for generated headers), or "libc" or "freestanding"."""
    if quote == '"' and (ROOT / path.parent / name).is_file():
        return os.path.normpath(path.parent / name)
    if under(str(path), "user"):
        for folder in sorted((ROOT / "user/rt/arch").glob("*")):
            if (folder / name).is_file():
                return str((folder / name).relative_to(ROOT))
    if name.startswith("abi/") or name in ("offsets.h", "arch_inline.h", "pte.h", "libfdt.h"):
        return name
    if name.split("/")[0] in ("kernel", "mm", "arch"):
        return os.path.normpath(name)
    for base in (".", "lib", "user", "user/rt/include"):
        if (ROOT / base / name).is_file():
            return os.path.normpath(os.path.join(base, name))
    return "freestanding" if name in FREESTANDING else "libc"


def under(path, prefix):
    return path == prefix or path.startswith(prefix + "/")


def check_includes(lint, path, lines):
    rules = [folder for folder in MAY_INCLUDE if under(str(path), folder)]
    if not rules:
        return
    folder = max(rules, key=len)
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        target = include_resolve(path, *match.groups())
        allowed = target == "freestanding" or any(under(target, prefix) for prefix in MAY_INCLUDE[folder])
        if target in KERNEL_ONLY_ABI and folder != "kernel":
            allowed = False
        if not allowed:
            lint.say("include", path, match.group(2), number, f"{folder} may not include {match.group(2)}")


def check_conditionals(lint, path, lines):
    if not any(under(str(path), folder) for folder in GENERIC):
        return
    for number, line in enumerate(lines, 1):
        if re.match(r"\s*#\s*(if|ifdef|ifndef|elif)\b", line):
            lint.say("if", path, "#if", number, "no #if in generic code; choose files instead (guards: #pragma once)")


def check_names(lint, path, lines):
    if under(str(path), "mm"):
        for number, line in enumerate(lines, 1):
            match = re.search(r"\bstruct (thread|endpoint|notification|captable)\b", line)
            if match:
                lint.say("mm", path, match.group(1), number, f"mm/ names no {match.group(1)}")


def check_sizes(lint, path, lines):
    if len(lines) > FILE_LINES:
        lint.say("file", path, "size", 1, f"{len(lines)} lines, at most {FILE_LINES}")
    start = name = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{") and number > 1:
            start = number
            head = next((l for l in reversed(lines[max(0, number - 6):number - 1]) if re.match(r"\w.*\(", l)), "")
            match = re.search(r"(\w+)\s*\(", head)
            name = match.group(1) if match else "?"
        elif line.startswith("}") and start:
            if number - start - 1 > FUNCTION_LINES:
                lint.say("function", path, name, start,
                         f"{name} has {number - start - 1} lines, at most {FUNCTION_LINES}")
            start = None


def check_text(lint, path, lines):
    for number, line in enumerate(lines, 1):
        if UNFINISHED.search(line) and path.suffix != ".md":
            lint.say("unfinished", path, "mark", number, "unfinished work belongs in the tracker, not in the code")
        if REGISTRY_HOST.search(line):
            lint.say("host", path, "name", number, "no host names of package registries in the repository")
        most, columns = COLUMNS.get(path.suffix), len(line.expandtabs(TAB))
        if most and columns > most:
            lint.say("columns", path, "width", number, f"{columns} columns, at most {most}")
        if line != line.rstrip() and path.suffix != ".md":
            lint.say("space", path, "end", number, "blank space at the end of the line")


def check_licence(lint, path, lines):
    marked = not lines or "SPDX-License-Identifier: MIT" in "".join(lines[:2])
    if path.suffix in (".c", ".h", ".S", ".py", ".sh", ".awk") and not marked:
        lint.say("licence", path, "spdx", 1, "the first line (after #!) is: SPDX-License-Identifier: MIT")


def check_arch_parity(lint, files):
    names = {}
    for path in files:
        if len(path.parts) > 2 and path.parts[0] == "arch":
            names.setdefault(path.parts[1], set()).add("/".join(path.parts[2:]))
    for arch in sorted(names):
        for missing in sorted(set().union(*names.values()) - names[arch]):
            path = pathlib.Path("arch", arch, missing)
            lint.say("parity", path, "name", 1, "another architecture has a file of this name")


def files_of_repository():
    """What git tracks or would track: nothing that is built."""
    listed = subprocess.run(["git", "-c", f"safe.directory={ROOT}", "ls-files", "-co", "--exclude-standard"],
                            cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    return sorted(p for p in map(pathlib.Path, listed.splitlines()) if (ROOT / p).is_file())


def format_run(files, rewrite):
    """clang-format over the C files, a few at a time; answers its complaints."""
    names = [str(p) for p in files if p.suffix in (".c", ".h") and p.parts[0] in CODE_FOLDERS]
    mode = ["-i"] if rewrite else ["--dry-run", "-Werror"]
    chunks = [names[i::4] for i in range(4) if names[i::4]]

    def one(chunk):
        return subprocess.run(["clang-format", "--style=file", *mode, *chunk], cwd=ROOT, stderr=subprocess.PIPE,
                              text=True, check=False)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        done = list(pool.map(one, chunks))
    bad = sorted({line.split(":")[0] for run in done for line in run.stderr.splitlines() if "error:" in line})
    failed = [run.stderr for run in done if run.returncode and "error:" not in run.stderr]
    return [f"{name}: not as clang-format would have it; run `make format` [format]" for name in bad] + failed


def check_file(lint, path):
    try:
        lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return
    check_text(lint, path, lines)
    check_licence(lint, path, lines)
    if path.suffix in (".c", ".h", ".S"):
        check_includes(lint, path, lines)
    if path.suffix in (".c", ".h"):
        check_conditionals(lint, path, lines)
        check_names(lint, path, lines)
        check_sizes(lint, path, lines)
    if path.name == "Makefile" and len(lines) > MAKEFILE_LINES:
        lint.say("file", path, "size", 1, f"{len(lines)} lines, at most {MAKEFILE_LINES}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", action="store_true", help="rewrite the C files")
    parser.add_argument("--no-format", action="store_true", help="leave clang-format out")
    parser.add_argument("paths", nargs="*", help="only these files or folders")
    options = parser.parse_args()
    files = files_of_repository()
    if options.paths:
        wanted = [os.path.relpath(os.path.abspath(p), ROOT) for p in options.paths]
        files = [f for f in files if any(under(str(f), w) for w in wanted)]
    if options.format:
        for _ in range(FORMAT_PASSES):
            format_run(files, True)
            if not format_run(files, False):
                return 0
        print("lint: clang-format does not come to rest; see `make check`")
        return 1
    lint = Lint()
    for path in files:
        check_file(lint, path)
    check_arch_parity(lint, files)
    if not options.paths:
        lint.unused_exceptions()
    complaints = lint.complaints + ([] if options.no_format else format_run(files, False))
    for complaint in complaints:
        print(complaint)
    print(f"lint: {len(files)} files, {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
