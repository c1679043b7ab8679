# SPDX-License-Identifier: MIT
"""The ABI as the trace tools need it: record layouts, events and names, read from the generated abi.json."""
import json
import os
import struct

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEFAULT_ABI = os.path.join(ROOT, "build/riscv64/gen/abi/abi.json")
CODES = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q"}


class Record:
    """Packs and unpacks one record of the IDL as a dictionary; arrays are lists, arrays of bytes are bytes."""

    def __init__(self, description):
        self.size = description["size"]
        self.fields = {f["name"]: f for f in description["fields"]}

    def code(self, name):
        field = self.fields[name]
        if field["type"] == "u8" and field["count"]:
            return f"<{field['count']}s"
        return f"<{field['count'] or 1}{CODES[field['type']]}"

    def unpack(self, data, offset=0):
        return {name: self.get(data, offset, name) for name in self.fields}

    def get(self, data, offset, name):
        values = struct.unpack_from(self.code(name), data, offset + self.fields[name]["offset"])
        single = not self.fields[name]["count"] or self.fields[name]["type"] == "u8"
        return values[0] if single else list(values)

    def put(self, data, offset, name, value):
        values = value if isinstance(value, (list, tuple)) else (value,)
        struct.pack_into(self.code(name), data, offset + self.fields[name]["offset"], *values)


class Abi:
    """abi.json, indexed for the trace tools."""

    def __init__(self, path=DEFAULT_ABI):
        with open(path, encoding="utf-8") as f:
            data = json.load(f)
        self.consts, self.enums = data["consts"], data["enums"]
        self.header, self.packet, self.event = (Record(data["records"][r]) for r in ("trace_header", "trace_packet", "trace_event"))
        self.events = {e["id"]: e for e in data["events"]}
        self.event_ids = {e["name"]: e["id"] for e in data["events"]}
        self.errors = {e["id"]: e["name"] for e in data["errors"]}
        self.syscalls = {s["id"]: s["name"] for s in data["syscalls"]}
        self.types = {t["id"]: t["name"] for t in data["types"]}
        self.ops = {p["id"] << 16 | o["id"]: f"{p['name']}.{o['name']}" for p in data["protocols"] for o in p["ops"]}
        self.record_bytes, self.packet_bytes = self.consts["TRACE_RECORD"], self.consts["TRACE_PACKET"]
        # time id hart thread flow a b c; abi.json is checked here so that a changed record cannot be misread
        self.unpacker = struct.Struct("<QHHIQQQQ")
        order = ["time", "id", "hart", "thread", "flow", "a", "b", "c"]
        if list(self.event.fields) != order or self.event.size != self.unpacker.size or self.event.size != self.record_bytes:
            raise ValueError("record trace_event changed: tools/trace/layout.py and ctf.py know another one")

    def error(self, status):
        """OK or -NAME of a 64-bit status word."""
        code = (1 << 64) - status
        return "OK" if status == 0 else f"-{self.errors[code]}" if code in self.errors else hex(status)

    def label(self, label):
        """Operation of a request, result of a reply."""
        return self.ops[label] if label in self.ops else self.error(label)

    def enum(self, name, value):
        return next((n for n, v in self.enums[name].items() if v == value), str(value))
