#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Packs the boot archive (records archive_header and archive_entry of lib/abi/51-files.idl).

  mkarchive.py -o OUT --list build/riscv64/archive.list [--root DIR] [--file GUEST=HOST]...

The list has a line "host path:guest path" per file; DIR is laid over the guest's / after it, then each --file.
The first entry is /sbin/init, the flat image that the kernel starts; contents begin at page boundaries.
The same inputs give the same bytes: files of the build carry one fixed time, those of DIR their own.
"""
import argparse
import os
import pathlib
import stat
import struct
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
PAGE = 4096
MAGIC = 0x52414A4F4A4A
HEADER = struct.Struct("<QII")
ENTRY = struct.Struct("<96sQQQII")
FLAG_DIRECTORY = 1
INIT = "/sbin/init"
BUILD_TIME = 1767225600  # 2026-01-01: the time of all files that come from the build


class ArchiveError(Exception):
    pass


class Archive:
    def __init__(self):
        self.files = {}        # guest path -> (content, mode, mtime)
        self.directories = {}  # guest path without the last / -> (mode, mtime)

    @staticmethod
    def path_check(path):
        parts = path.split("/")
        if parts[0] or len(parts) < 2 or any(p in ("", ".", "..") for p in parts[1:]):
            raise ArchiveError(f"{path}: a guest path is absolute, without empty, . or .. parts")
        if len(path.encode()) > 94:
            raise ArchiveError(f"{path}: a path has at most 94 bytes")

    def directory_add(self, path, mtime=BUILD_TIME):
        while path not in ("", "/"):
            self.path_check(path)
            if path in self.files:
                raise ArchiveError(f"{path}: is a file and a directory")
            self.directories.setdefault(path, (0o755, mtime))
            path = path.rpartition("/")[0]

    def file_add(self, path, content, mode=0o644, mtime=BUILD_TIME):
        self.path_check(path)
        if path in self.directories:
            raise ArchiveError(f"{path}: is a directory and a file")
        self.directory_add(path.rpartition("/")[0], mtime)
        self.files[path] = (content, mode, mtime)

    def host_file_add(self, path, host, mtime=None):
        status = os.stat(host)
        mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
        self.file_add(path, pathlib.Path(host).read_bytes(), mode, int(status.st_mtime) if mtime is None else mtime)

    def list_add(self, list_file):
        """Host paths in the list count from the repository."""
        for line in pathlib.Path(list_file).read_text().splitlines():
            host, colon, guest = line.rpartition(":")
            if not colon:
                raise ArchiveError(f"{list_file}: no guest path in {line!r}")
            self.host_file_add(guest, REPOSITORY / host, BUILD_TIME)

    def tree_add(self, root):
        """Lays a host folder over the guest's /; links are followed, what is no file or folder is left out."""
        if not os.path.isdir(root):
            raise ArchiveError(f"ROOT={root}: no such folder")
        for folder, names, files in os.walk(root, followlinks=True):
            names.sort()
            guest = "/" + os.path.relpath(folder, root) if folder != root else ""
            self.directory_add(guest, int(os.stat(folder).st_mtime))
            for name in sorted(files):
                host = os.path.join(folder, name)
                if os.path.isfile(host):
                    self.host_file_add(f"{guest}/{name}", host)
                else:
                    print(f"jjok: {host}: no ordinary file, left out", file=sys.stderr)

    def entries(self):
        """(path, content, mode, mtime, flags): init first, then the rest in the order of their paths."""
        if INIT in self.files:
            yield (INIT, *self.files[INIT], 0)
        rows = [(p + "/", b"", mode, mtime, FLAG_DIRECTORY) for p, (mode, mtime) in self.directories.items()]
        rows += [(p, *value, 0) for p, value in self.files.items() if p != INIT]
        yield from sorted(rows, key=lambda row: row[0].encode())

    def pack(self):
        entries = list(self.entries())
        page = -(-(HEADER.size + ENTRY.size * len(entries)) // PAGE)
        table, contents = [], []
        for path, content, mode, mtime, flags in entries:
            table.append(ENTRY.pack(path.encode(), page if content else 0, len(content), mtime, mode, flags))
            pages = -(-len(content) // PAGE)
            contents.append(content.ljust(pages * PAGE, b"\0"))
            page += pages
        head = HEADER.pack(MAGIC, len(entries), page) + b"".join(table)
        return head.ljust(-(-len(head) // PAGE) * PAGE, b"\0") + b"".join(contents)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--list")
    parser.add_argument("--root")
    parser.add_argument("--file", action="append", default=[], metavar="GUEST=HOST")
    options = parser.parse_args()
    archive = Archive()
    try:
        if options.list:
            archive.list_add(options.list)
        if options.root:
            archive.tree_add(options.root)
        for pair in options.file:
            guest, _, host = pair.partition("=")
            archive.host_file_add(guest, host)
        pathlib.Path(options.output).write_bytes(archive.pack())
    except (ArchiveError, OSError) as error:
        sys.exit(f"mkarchive: {error}")


if __name__ == "__main__":
    main()
