#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns lib/abi/*.idl into headers, stubs, decoders, dispatch functions, tables and the ABI chapter of the docs.

    idlc.py --out DIR lib/abi/*.idl     writes DIR/abi/*
    idlc.py --update lib/abi/*.idl                       rewrites docs/abi.md and test/abi/summary.txt
    idlc.py --check lib/abi/*.idl                        compares them, exit status 1 with a diff

The language is described in lib/abi/README.md. Mistakes are reported as `file:line: message`, all of them at once.
"""
import argparse
import difflib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from idl import emit_c, emit_docs, emit_stubs  # noqa: E402
from idl.parse import parse  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CHECKED_IN = {"docs/abi.md": emit_docs.markdown, "test/abi/summary.txt": emit_docs.summary}


def write_file(path, text):
    """Replaces a file in one step, so that a compiler running at the same time never sees half of it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "w", encoding="utf-8") as f:
        f.write(text)
    os.replace(temporary, path)


def outputs(abi):
    """All generated headers: name under DIR/abi -> content."""
    files = {
        "abi_const.h": emit_c.constants(abi),
        "abi.h": emit_c.records(abi),
        "abi_names.h": emit_c.names(abi),
        "abi_errno.h": emit_c.errnos(abi),
        "abi.json": emit_docs.json_text(abi),
        "kernel.h": emit_stubs.kernel_prototypes(abi),
        "kernel_decode.inc": emit_stubs.kernel_decode(abi),
        "stubs.h": emit_stubs.syscall_stubs(abi),
    }
    for protocol in abi.protocols:
        files[f"{protocol.name}_client.h"] = emit_stubs.protocol_client(protocol)
        files[f"{protocol.name}_server.h"] = emit_stubs.protocol_server(protocol)
    return files


def check(abi, root):
    """Compares the checked-in files with what the IDL says now. Returns whether they agree."""
    same = True
    for name, emit in CHECKED_IN.items():
        path = os.path.join(root, name)
        old = ""
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                old = f.read()
        new = emit(abi)
        if old != new:
            same = False
            sys.stdout.writelines(difflib.unified_diff(old.splitlines(True), new.splitlines(True), name, "lib/abi"))
    if not same:
        print("idlc: the ABI changed. If that is meant: python3 tools/idlc.py --update lib/abi/*.idl", file=sys.stderr)
    return same


def main(argv):
    parser = argparse.ArgumentParser(description="ABI generator", epilog="Language: lib/abi/README.md")
    parser.add_argument("files", nargs="+", metavar="FILE.idl")
    parser.add_argument("--out", metavar="DIR", help="write the headers into DIR/abi/")
    parser.add_argument("--check", action="store_true", help="compare docs/abi.md and test/abi/summary.txt")
    parser.add_argument("--update", action="store_true", help="rewrite docs/abi.md and test/abi/summary.txt")
    parser.add_argument("--root", default=ROOT, help="repository, for --check and --update")
    args = parser.parse_args(argv)
    abi, errors = parse(sorted(args.files, key=os.path.basename))
    if errors:
        print("\n".join(errors), file=sys.stderr)
        return 1
    if args.out:
        for name, text in outputs(abi).items():
            write_file(os.path.join(args.out, "abi", name), text)
    if args.update:
        for name, emit in CHECKED_IN.items():
            write_file(os.path.join(args.root, name), emit(abi))
    if args.check and not check(abi, args.root):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
