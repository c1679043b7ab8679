#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
What a trace says of memory management, without anything that depends on the machine.

    logical.py DIR          one line per event of the areas that /test/logical marked

Pages are counted within their area, frames and address spaces in the order in which they appear; page tables, code, stack and servers
are left out. So the same workload gives the same lines, whatever the page-table format, the levels, the addresses.
"""
import argparse
import sys

from decode import Trace
from layout import DEFAULT_ABI, Abi

MARK = 0x4C4F474943414C
AREA, GONE, END = 1, 2, 3
PAGE_SHIFT = 12
PROTECTIONS = 7  # of `how` and of an entry's kind and protection, what is the same everywhere


class Numbers:
    """Names in the order of first appearance: a1, a2 ..."""

    def __init__(self, letter):
        self.letter, self.known = letter, {}

    def of(self, key):
        return self.letter + str(self.known.setdefault(key, len(self.known) + 1))

    def __contains__(self, key):
        return key in self.known


class Logical:
    """Feed it every event; `lines` is the sequence."""

    def __init__(self, abi):
        self.abi = abi
        self.areas = {}        # number -> (first page, pages)
        self.made = 0
        self.ended = False
        self.lines = []
        self.frames, self.spaces, self.threads = Numbers("f"), Numbers("s"), Numbers("t")
        self.orders = {}       # frame reference -> order of the block that brought it
        self.handlers = {abi.event_ids[name]: getattr(self, "on_" + name) for name in (
            "user", "fault", "fault_done", "map", "unmap", "protect", "alloc", "free")}

    def feed(self, event):
        handler = self.handlers.get(event[1])
        if handler and not self.ended:
            handler(event[3], *event[5:8])

    def place(self, address):
        """area.page of an address, or nothing."""
        page = address >> PAGE_SHIFT
        for number, (first, pages) in self.areas.items():
            if first <= page < first + pages:
                return f"{number}.{page - first}"
        return None

    def say(self, *words):
        self.lines.append(" ".join(words))

    def on_user(self, _thread, what, address, pages):
        if what >> 8 != MARK:
            return
        kind = what & 0xFF
        if kind == AREA:
            self.made += 1
            self.areas[self.made] = (address >> PAGE_SHIFT, pages)
            self.say("area", str(self.made), str(pages))
        elif kind == GONE:
            gone = [n for n, area in self.areas.items() if area == (address >> PAGE_SHIFT, pages)]
            self.say("gone", *map(str, gone))
            for number in gone:
                del self.areas[number]
        elif kind == END:
            self.ended = True

    def on_fault(self, thread, address, access, old):
        place = self.place(address)
        if place:
            self.say("fault", self.threads.of(thread), place, self.abi.enum("ACCESS", access), self.abi.enum("ENTRY", old & 0xFF),
                     str(old >> 8 & PROTECTIONS))

    def on_fault_done(self, _thread, address, status, _reply):
        place = self.place(address)
        if place:
            self.say("done", place, self.abi.error(status))

    def on_map(self, _thread, address, frame, how):
        place = self.place(address)
        if not place:
            return
        if frame not in self.frames:
            self.say("alloc", place, "order", str(self.orders.get(frame, "-")))
        self.say("map", place, self.frames.of(frame), str(how & PROTECTIONS))

    def on_unmap(self, _thread, address, frame, space):
        place = self.place(address)
        if place:
            self.say("unmap", self.spaces.of(space), place, self.frames.of(frame))

    def on_protect(self, _thread, address, frame, how):
        place = self.place(address)
        if place:
            self.say("protect", place, self.frames.of(frame), str(how & PROTECTIONS))

    def on_alloc(self, _thread, frame, order, _pool):
        self.orders[frame] = order

    def on_free(self, _thread, frame, order, _pool):
        if frame in self.frames:
            self.say("free", self.frames.of(frame), "order", str(order))


def sequence(folder, abi):
    """The lines of the trace in a folder. ValueError: the workload did not get to its end."""
    logical = Logical(abi)
    for event in Trace(folder, abi).events():
        logical.feed(event)
    if not logical.ended:
        raise ValueError(f"{folder}: the workload did not mark its end")
    return logical.lines


def main(argv):
    parser = argparse.ArgumentParser(description="Memory management without addresses")
    parser.add_argument("dir", help="folder that export.py wrote")
    parser.add_argument("--abi", default=DEFAULT_ABI, metavar="FILE", help="abi.json that tools/idlc.py generated")
    args = parser.parse_args(argv)
    try:
        print("\n".join(sequence(args.dir, Abi(args.abi))))
    except (OSError, ValueError) as error:
        print(f"trace: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
