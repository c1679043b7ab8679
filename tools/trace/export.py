#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Takes the kernel's trace out of the guest's RAM file while it runs, and writes a trace that CTF viewers open.

    export.py --ram FILE --out DIR [--pid QEMU] [--abi abi.json]

DIR/ctf/ gets `metadata` and one stream per hart (babeltrace2 DIR/ctf), DIR/counters.json what the kernel counted. With --pid it follows
the guest until its kernel says that tracing stopped or the process ends; without, it takes what is there. FILE must be fresh for each
run (-object memory-backend-file,share=on), as an old header in it would be believed.
"""
import argparse
import json
import os
import sys
import time

import ctf
from layout import DEFAULT_ABI, Abi
from rings import RingError, Rings, find_header

IDLE_SLEEP = 0.001
SEARCH_SLEEP = 0.02
MAX_NAMES = 4


def process_alive(pid):
    """A zombie counts as dead: its parent may be waiting for us before it reaps it."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Export:
    """One guest's trace on its way into a folder."""

    def __init__(self, ram, out, abi):
        self.ram, self.abi = ram, abi
        self.ctf_dir, self.counters_path = os.path.join(out, "ctf"), os.path.join(out, "counters.json")
        os.makedirs(self.ctf_dir, exist_ok=True)
        for old in os.listdir(self.ctf_dir):
            os.unlink(os.path.join(self.ctf_dir, old))
        self.fd = None
        self.rings = None
        self.streams = {}
        self.names = {}
        self.read = 0
        self.uuid = bytes(16)
        self.name_event = abi.event_ids["name"]

    def attach(self):
        """Finds the rings; False as long as the kernel has not set them up."""
        if self.fd is None:
            if not os.path.exists(self.ram):
                return False
            self.fd = os.open(self.ram, os.O_RDWR)
        offset = find_header(self.fd, self.abi)
        if offset is None:
            return False
        self.rings = Rings(self.fd, self.abi, offset)
        return True

    def take(self, hart, packet):
        """Writes one packet to its stream; names of objects are kept for the metadata."""
        if hart not in self.streams:
            self.streams[hart] = open(os.path.join(self.ctf_dir, f"hart{hart}"), "wb")  # closed in finish()
        header = self.abi.packet.unpack(packet)
        used = header["content_bits"] // 8
        if not self.abi.packet.size <= used <= len(packet) or (used - self.abi.packet.size) % self.abi.record_bytes:
            raise RingError(f"packet {header['sequence']} of hart {hart} says that {used} bytes are used")
        self.uuid = header["uuid"]
        self.streams[hart].write(packet)
        for _, event, _, _, _, a, b, c in self.abi.unpacker.iter_unpack(packet[self.abi.packet.size:used]):
            self.read += 1
            if event == self.name_event:
                self.name_object(a, b, c)

    def name_object(self, object_id, low, high):
        """An object that had several names in its life shows them all."""
        text = (low.to_bytes(8, "little") + high.to_bytes(8, "little")).split(b"\0")[0].decode("utf-8", "replace")
        names = self.names.setdefault(object_id, [])
        if text and text not in names and len(names) < MAX_NAMES:
            names.append(text)

    def drain(self):
        return self.rings.drain(self.take)

    def finish(self):
        """The rest of the rings, the metadata and the counters. Returns the counters."""
        if self.rings is None and not self.attach():
            raise RingError(f"{self.ram} holds no trace: the kernel did not get as far as its trace rings, or was not told trace=")
        self.drain()
        stopped = self.rings.stopped()
        if stopped:
            self.rings.drain_open(self.take)
        for stream in self.streams.values():
            stream.close()
        names = {k: "/".join(v) for k, v in self.names.items() if v}
        counters = {**self.rings.counters(), "read": self.read, "overrun_packets": self.rings.overrun, "stopped": stopped,
                    "timebase": self.rings.timebase, "harts": self.rings.harts, "names": names}
        with open(os.path.join(self.ctf_dir, "metadata"), "w", encoding="utf-8") as f:
            f.write(ctf.metadata(self.abi, self.uuid, self.rings.timebase or 10**9, names))
        with open(self.counters_path, "w", encoding="utf-8") as f:
            json.dump(counters, f, indent=1)
        self.rings.close()
        os.close(self.fd)
        return counters


def follow(export, pid):
    """Drains until the kernel stopped tracing or the machine is gone."""
    while export.rings is None:
        alive = process_alive(pid)
        if not export.attach():
            if not alive:
                return
            time.sleep(SEARCH_SLEEP)
    while not export.rings.stopped() and process_alive(pid):
        if not export.drain():
            time.sleep(IDLE_SLEEP)


def main(argv):
    parser = argparse.ArgumentParser(description="Writes the kernel's trace as CTF 1.8")
    parser.add_argument("--ram", required=True, metavar="FILE", help="file behind the guest's RAM")
    parser.add_argument("--out", required=True, metavar="DIR")
    parser.add_argument("--pid", type=int, help="process of the machine: follow it until it stops")
    parser.add_argument("--abi", default=DEFAULT_ABI, metavar="FILE", help="abi.json that tools/idlc.py generated")
    args = parser.parse_args(argv)
    try:
        export = Export(args.ram, args.out, Abi(args.abi))
        if args.pid:
            follow(export, args.pid)
        counters = export.finish()
    except (RingError, OSError, ValueError) as error:
        print(f"trace: {error}", file=sys.stderr)
        return 1
    lost = sum(counters["lost"])
    print(f"trace: {counters['read']} events in {export.ctf_dir}" + (f", {lost} lost" if lost else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
