# SPDX-License-Identifier: MIT
"""Reads the streams that export.py wrote, as tuples (time, event id, hart, thread, flow, a, b, c) in the order of time."""
import heapq
import json
import os

THREAD_MASK = (1 << 32) - 1


class Trace:
    """A folder written by export.py."""

    def __init__(self, folder, abi):
        self.abi = abi
        self.ctf_dir = os.path.join(folder, "ctf")
        with open(os.path.join(folder, "counters.json"), encoding="utf-8") as f:
            self.counters = json.load(f)

    def stream(self, path):
        """The records of one hart."""
        abi = self.abi
        head = abi.packet.size
        with open(path, "rb") as f:
            while packet := f.read(abi.packet_bytes):
                used = abi.packet.get(packet, 0, "content_bits") // 8
                yield from abi.unpacker.iter_unpack(packet[head:used])

    def events(self):
        """All records of all harts. Ties keep the order of harts, and within a hart that of writing."""
        paths = sorted(os.path.join(self.ctf_dir, name) for name in os.listdir(self.ctf_dir) if name.startswith("hart"))
        if len(paths) == 1:
            return self.stream(paths[0])
        return heapq.merge(*(self.stream(p) for p in paths), key=lambda event: event[0])


class Names:
    """Object id -> name as of the event last seen: ids are used again after an object's death."""

    def __init__(self, abi):
        self.abi = abi
        self.current = {0: "idle"}

    def learn(self, a, b, c):
        text = (b.to_bytes(8, "little") + c.to_bytes(8, "little")).split(b"\0")[0].decode("utf-8", "replace")
        if text:
            self.current[a] = text

    def of(self, object_id):
        return self.current.get(object_id) or f"object {object_id:#x}"

    def field(self, kind, value):
        """One payload word in words."""
        abi = self.abi
        if kind == "dec":
            return str(value)
        if kind in ("hex", "pfn"):
            return f"{value:#x}"
        if kind == "ref":
            return f"pfn {value & THREAD_MASK:#x} gen {value >> 32}"
        if kind == "op":
            return abi.label(value)
        if kind == "err":
            return abi.error(value)
        if kind == "thread":
            return self.of(value)
        if kind in ("sys", "type"):
            return (abi.syscalls if kind == "sys" else abi.types).get(value, str(value))
        return abi.enum(kind, value)

    def describe(self, event):
        """event name and named payload of one record."""
        known = self.abi.events.get(event[1])
        if not known:
            return f"event {event[1]:#x}"
        fields = (f"{f['name']} {self.field(f['kind'], word)}" for f, word in zip(known["fields"], event[5:]))
        return f"{known['name']}: {', '.join(fields)}" if known["fields"] else known["name"]
