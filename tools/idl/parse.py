# SPDX-License-Identifier: MIT
"""Parses the IDL into plain objects and checks it. The language: lib/abi/README.md."""
import ast
import operator
import os
import re
from types import SimpleNamespace

MAX_SYSCALL_ARGS = 10
MAX_SYSCALL_OUTS = 9
MAX_OP_WORDS = 8
MAX_EVENT_FIELDS = 3
LIMITS = {"error": 4096, "type": 256, "syscall": 256, "protocol": 1 << 15, "event": 1 << 16, "op": 1 << 16}
SCALARS = {"u8": 1, "u16": 2, "u32": 4, "u64": 8}
FIELD_KINDS = ("dec", "hex", "ref", "op", "sys", "err", "thread", "pfn", "type")
TOP = ("error", "const", "flags", "enum", "type", "syscall", "protocol", "record", "event")
# keyword -> the keywords of the entries it may stand under
PARENTS = {"flag": ("flags",), "value": ("enum",), "right": ("type",), "cap": ("syscall",), "in": ("syscall", "op"),
           "out": ("syscall", "op"), "errors": ("syscall", "op"), "op": ("protocol",), "field": ("event",)}
C_KEYWORDS = set("""auto break case char const continue default do double else enum extern float for goto if inline int long
    register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while""".split())
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.LShift: operator.lshift,
             ast.RShift: operator.rshift, ast.BitOr: operator.or_, ast.BitAnd: operator.and_}


class Mistake(Exception):
    """Something wrong with the current line."""


def evaluate(text, consts):
    """An integer expression of literals and earlier constants."""
    def walk(node):
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return node.value
        if isinstance(node, ast.Name):
            if node.id not in consts:
                raise Mistake(f"unknown constant {node.id}")
            return consts[node.id]
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            return OPERATORS[type(node.op)](walk(node.left), walk(node.right))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -walk(node.operand)
        raise Mistake(f"bad expression '{text}'")
    try:
        return walk(ast.parse(text, mode="eval").body)
    except SyntaxError:
        raise Mistake(f"bad expression '{text}'") from None


class Parser:
    """One pass over all files; every entry knows where it was written."""

    def __init__(self):
        self.errors = []
        self.abi = SimpleNamespace(errors=[], consts=[], flags=[], enums=[], types=[], syscalls=[], protocols=[], records=[],
                                   events=[])
        self.macros = {}      # C macro name -> where
        self.ids = {}         # (space, number) -> where or "retired"
        self.names = {}       # (space, name) -> where
        self.consts = {}
        self.rights = {}      # (type, right) -> right
        self.record_layout = {}  # name -> (size, alignment)
        self.later = []       # checks that need everything to be known: (where, function)
        self.where = ""
        self.top = None
        self.op = None

    # Lines

    def parse_file(self, path):
        self.top = self.op = None
        shown = os.path.relpath(path)
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                self.where = f"{shown}:{number}"
                try:
                    self.parse_line(line.rstrip("\n"))
                except Mistake as mistake:
                    self.errors.append(f"{self.where}: {mistake}")

    def parse_line(self, line):
        if "\t" in line:
            raise Mistake("tabs are not part of the language: indent by two spaces")
        line = re.sub(r"(^|\s)#(\s.*)?$", "", line).rstrip()
        if not line.strip():
            return
        head, colon, doc = line.partition(" : ")
        words = head.split()
        keyword, words = words[0], words[1:]
        if keyword == "retired":
            return self.parse_retired(words)
        depth = (len(line) - len(line.lstrip())) / 2
        entry = SimpleNamespace(keyword=keyword, doc=doc.strip(), where=self.where)
        if keyword in TOP:
            self.begin(entry, words, depth)
        elif keyword in PARENTS:
            self.nested(entry, words, depth)
        elif self.top and self.top.keyword == "record":
            self.parse_record_field(entry, keyword, words, depth)
        else:
            raise Mistake(f"unknown keyword '{keyword}'")
        return None

    def begin(self, entry, words, depth):
        self.top = self.op = None
        if depth != 0:
            raise Mistake(f"'{entry.keyword}' starts at the left margin")
        getattr(self, f"parse_{entry.keyword}")(entry, words)
        if not entry.doc:
            raise Mistake(f"{entry.keyword} {entry.name} has no doc sentence")
        if entry.keyword not in ("error", "const"):
            self.top = entry

    def nested(self, entry, words, depth):
        parent = self.op if self.op and entry.keyword != "op" else self.top
        if not parent or parent.keyword not in PARENTS[entry.keyword]:
            raise Mistake(f"'{entry.keyword}' does not belong here")
        if depth != (2 if parent is self.op else 1):
            raise Mistake(f"'{entry.keyword}' is indented wrongly under '{parent.keyword} {parent.name}'")
        getattr(self, f"parse_{entry.keyword}")(entry, words, parent)
        if entry.keyword in ("flag", "value", "right", "op") and not entry.doc:
            raise Mistake(f"{entry.keyword} {entry.name} has no doc sentence")

    # Helpers

    def take_words(self, words, names, rest=()):
        """The words of a line by position; what may follow them is optional."""
        if len(words) < len(names):
            raise Mistake(f"missing {names[len(words)]}")
        extra = words[len(names):]
        for word in extra:
            if word not in rest:
                raise Mistake(f"unexpected '{word}'")
        return words[:len(names)], extra

    def number(self, text):
        return evaluate(text.lstrip("#"), self.consts)

    def ident(self, text, upper):
        pattern = r"[A-Z][A-Z0-9_]*" if upper else r"[a-z][a-z0-9_]*"
        if not re.fullmatch(pattern, text):
            raise Mistake(f"'{text}' is not an {'upper' if upper else 'lower'}-case name")
        if text in C_KEYWORDS:
            raise Mistake(f"'{text}' is a word of C")
        return text

    def claim(self, table, key, what):
        if key in table:
            old = table[key]
            raise Mistake(f"{what} {'was retired' if old == 'retired' else 'is already defined at ' + old}")
        table[key] = self.where

    def claim_id(self, space, number, what):
        limit = LIMITS.get(space if isinstance(space, str) else space[0])
        if number < 0 or (limit and number >= limit):
            raise Mistake(f"{what} is out of range")
        self.claim(self.ids, (space, number), what)

    def claim_macro(self, name):
        self.claim(self.macros, name, f"the name {name}")

    def parse_retired(self, words):
        """retired KIND ID at the left margin, retired ID inside flags, enum or protocol."""
        if len(words) == 2 and words[0] in ("error", "type", "right", "syscall", "protocol", "event"):
            space, text = words
        elif len(words) == 1 and self.top and self.top.keyword in ("flags", "enum", "protocol"):
            space, text = ("op" if self.top.keyword == "protocol" else self.top.keyword, self.top.name), words[0]
        else:
            raise Mistake("write 'retired error|type|right|syscall|protocol|event ID', or 'retired ID' inside a group")
        number = self.number(text)
        self.claim(self.ids, (space, number), f"id {text}")
        self.ids[space, number] = "retired"

    # Top-level entries

    def parse_error(self, e, words):
        (name, number, e.errno), _ = self.take_words(words, ("name", "number", "errno"))
        e.name, e.id = self.ident(name, True), self.number(number)
        if not re.fullmatch(r"E[A-Z0-9]+", e.errno):
            raise Mistake(f"'{e.errno}' is not an errno name")
        if e.id == 0:
            raise Mistake("error 0 means success")
        self.claim_macro(f"ERR_{e.name}")
        self.claim_id("error", e.id, f"error number {e.id}")
        self.abi.errors.append(e)

    def parse_const(self, e, words):
        if len(words) < 2:
            raise Mistake("missing name or value")
        e.name, e.text = self.ident(words[0], True), " ".join(words[1:])
        e.value = evaluate(e.text, self.consts)
        if not -(1 << 63) <= e.value < 1 << 64:
            raise Mistake(f"{e.name} does not fit in a word")
        self.claim_macro(e.name)
        self.consts[e.name] = e.value
        self.abi.consts.append(e)

    def parse_flags(self, e, words):
        (name,), _ = self.take_words(words, ("prefix",))
        e.name, e.members = self.ident(name, True), []
        self.claim(self.names, ("group", e.name), f"the group {e.name}")
        self.abi.flags.append(e)

    def parse_enum(self, e, words):
        (name,), extra = self.take_words(words, ("prefix",), ("shared",))
        e.name, e.members, e.shared = self.ident(name, True), [], bool(extra)
        self.claim(self.names, ("group", e.name), f"the group {e.name}")
        self.abi.enums.append(e)

    def parse_flag(self, e, words, group):
        (name, bit), _ = self.take_words(words, ("name", "bit"))
        e.name, e.bit = self.ident(name, True), self.number(bit)
        if not 0 <= e.bit < 64:
            raise Mistake(f"bit {e.bit} is out of range")
        self.claim_macro(f"{group.name}_{e.name}")
        self.claim_id(("flags", group.name), e.bit, f"bit {e.bit} of {group.name}")
        self.consts[f"{group.name}_{e.name}"] = 1 << e.bit
        group.members.append(e)

    def parse_value(self, e, words, group):
        (name, number), _ = self.take_words(words, ("name", "number"))
        e.name, e.value = self.ident(name, True), self.number(number)
        self.claim_macro(f"{group.name}_{e.name}")
        if not group.shared or self.ids.get((("enum", group.name), e.value)) == "retired":
            self.claim_id(("enum", group.name), e.value, f"value {e.value} of {group.name}")
        self.consts[f"{group.name}_{e.name}"] = e.value
        group.members.append(e)

    def parse_type(self, e, words):
        (name, number, size, bytes_), _ = self.take_words(words, ("name", "#id", "'size'", "bytes"))
        if size != "size":
            raise Mistake(f"expected 'size', found '{size}'")
        e.name, e.id, e.size, e.rights = self.ident(name, True), self.number(number), self.number(bytes_), []
        if e.id == 0:
            raise Mistake("type 0 means no object")
        if e.size <= 0 or e.size & (e.size - 1):
            raise Mistake(f"size {e.size} is not a power of two")
        self.claim_macro(f"TYPE_{e.name}")
        self.claim_id("type", e.id, f"type #{e.id}")
        self.abi.types.append(e)

    def parse_right(self, e, words, type_):
        (name, bit), _ = self.take_words(words, ("name", "bit"))
        e.name, e.bit = self.ident(name, True), self.number(bit)
        if not 0 <= e.bit < 32:
            raise Mistake(f"bit {e.bit} is out of range")
        self.claim_macro(f"RIGHT_{type_.name}_{e.name}")
        self.claim_id("right", e.bit, f"right bit {e.bit}")
        self.rights[type_.name, e.name] = e
        type_.rights.append(e)

    def parse_syscall(self, e, words):
        (name, number), extra = self.take_words(words, ("name", "#id"), ("ipc",))
        e.name, e.id, e.ipc = self.ident(name, False), self.number(number), bool(extra)
        e.args, e.outs, e.errors = [], [], []
        self.claim_macro(f"NR_{e.name.upper()}")
        self.claim_id("syscall", e.id, f"syscall #{e.id}")
        self.abi.syscalls.append(e)

    def parse_protocol(self, e, words):
        (name, number), _ = self.take_words(words, ("name", "#id"))
        e.name, e.id, e.ops = self.ident(name, False), self.number(number), []
        if e.id == 0:
            raise Mistake("protocol 0 is the kernel's notification label")
        self.claim_macro(f"PROTO_{e.name.upper()}")
        self.claim_id("protocol", e.id, f"protocol #{e.id}")
        self.abi.protocols.append(e)

    def parse_op(self, e, words, protocol):
        (name, number), extra = self.take_words(words, ("name", "#id"), ("idempotent",))
        e.name, e.id, e.idempotent = self.ident_any(name), self.number(number), bool(extra)
        e.args, e.outs, e.errors = [], [], []
        e.label = protocol.id << 16 | e.id
        self.claim_macro(f"OP_{protocol.name.upper()}_{e.name.upper()}")
        self.claim_id(("op", protocol.name), e.id, f"op #{e.id} of {protocol.name}")
        protocol.ops.append(e)
        self.op = e

    def ident_any(self, text):
        """An op's name never stands alone in C, so words of C are allowed."""
        if not re.fullmatch(r"[a-z][a-z0-9_]*", text):
            raise Mistake(f"'{text}' is not a lower-case name")
        return text

    def parse_record(self, e, words):
        (name,), _ = self.take_words(words, ("name",))
        e.name, e.fields, e.size, e.align = self.ident(name, False), [], 0, 1
        self.claim(self.names, ("record", e.name), f"record {e.name}")
        self.record_layout[e.name] = e
        self.abi.records.append(e)
        self.later.append((e.where, lambda: self.check_record(e)))

    def parse_event(self, e, words):
        (name, number), _ = self.take_words(words, ("name", "#id"))
        e.name, e.id, e.fields = self.ident_any(name), self.number(number), []
        self.claim_macro(f"EVENT_{e.name.upper()}")
        self.claim_id("event", e.id, f"event {number}")
        if e.id >> 4 >= 64:
            raise Mistake(f"event {number} is outside the 64 groups")
        self.abi.events.append(e)

    # Parts of entries

    def add_argument(self, e, name, owner, limit, what):
        e.name = self.ident(name, False)
        if any(a.name == e.name for a in owner.args):
            raise Mistake(f"argument {e.name} is there twice")
        if len(owner.args) == limit:
            raise Mistake(f"{owner.name} has more than {limit} {what}")
        owner.args.append(e)

    def parse_cap(self, e, words, call):
        (name, e.type, rights), extra = self.take_words(words, ("name", "type", "right"), ("optional",))
        e.rights, e.optional = rights.split("|"), bool(extra)
        self.refuse_ipc(call)
        self.add_argument(e, name, call, MAX_SYSCALL_ARGS, "arguments")
        self.later.append((self.where, lambda: self.check_cap(e)))

    def parse_in(self, e, words, owner):
        (name,), _ = self.take_words(words, ("name",))
        self.refuse_ipc(owner)
        if owner.keyword == "op":
            self.add_argument(e, name, owner, MAX_OP_WORDS, "words")
        else:
            self.add_argument(e, name, owner, MAX_SYSCALL_ARGS, "arguments")

    def parse_out(self, e, words, owner):
        (name,), _ = self.take_words(words, ("name",))
        self.refuse_ipc(owner)
        e.name = self.ident(name, False)
        limit = MAX_OP_WORDS if owner.keyword == "op" else MAX_SYSCALL_OUTS
        if any(o.name == e.name for o in owner.outs):
            raise Mistake(f"result {e.name} is there twice")
        if len(owner.outs) == limit:
            raise Mistake(f"{owner.name} has more than {limit} results")
        owner.outs.append(e)

    def refuse_ipc(self, owner):
        if getattr(owner, "ipc", False):
            raise Mistake(f"{owner.name} is an ipc call: its registers are described in its doc sentence")

    def parse_errors(self, e, words, owner):
        if not words:
            raise Mistake("missing error names")
        for name in words:
            if name in owner.errors:
                raise Mistake(f"error {name} is there twice")
            owner.errors.append(name)
            self.later.append((self.where, lambda name=name: self.check_error(name)))
        e.name = "errors"

    def parse_field(self, e, words, event):
        (name,), extra = self.take_words(words, ("name",), words[1:2])
        e.name, e.kind = self.ident_any(name), (extra or ["dec"])[0]
        if any(f.name == e.name for f in event.fields):
            raise Mistake(f"field {e.name} is there twice")
        if len(event.fields) == MAX_EVENT_FIELDS:
            raise Mistake(f"event {event.name} has more than {MAX_EVENT_FIELDS} payload words")
        event.fields.append(e)
        self.later.append((self.where, lambda: self.check_field(e)))

    def parse_record_field(self, e, kind, words, depth):
        (text,), _ = self.take_words(words, ("name",))
        match = re.fullmatch(r"([a-z][a-z0-9_]*)(?:\[(\w+)\])?", text)
        if not match or depth != 1:
            raise Mistake(f"a field of a record is '  u8|u16|u32|u64|RECORD NAME[COUNT]', not '{text}'")
        record = self.top
        e.name, e.kind = self.ident(match[1], False), kind
        e.count = evaluate(match[2], self.consts) if match[2] else 0
        if kind in SCALARS:
            size = align = SCALARS[kind]
        elif kind in self.record_layout and kind != record.name:
            size, align = self.record_layout[kind].size, self.record_layout[kind].align
        else:
            raise Mistake(f"unknown type '{kind}' (u8, u16, u32, u64 or an earlier record)")
        if any(f.name == e.name for f in record.fields):
            raise Mistake(f"field {e.name} is there twice")
        if match[2] and e.count < 1:
            raise Mistake(f"field {e.name} has {e.count} elements")
        if record.size % align:
            raise Mistake(f"{align - record.size % align} bytes of padding before {e.name}")
        e.offset, e.size = record.size, size * max(e.count, 1)
        record.size += e.size
        record.align = max(record.align, align)
        record.fields.append(e)

    # Checks that need the whole ABI

    def check_record(self, record):
        if not record.fields:
            raise Mistake(f"record {record.name} is empty")
        if record.size % record.align:
            raise Mistake(f"record {record.name} needs {record.align - record.size % record.align} bytes of padding at its end")

    def check_cap(self, cap):
        if not any(t.name == cap.type for t in self.abi.types):
            raise Mistake(f"unknown type {cap.type}")
        for right in cap.rights:
            if (cap.type, right) not in self.rights:
                raise Mistake(f"unknown right {right} of {cap.type}")

    def check_error(self, name):
        if not any(e.name == name for e in self.abi.errors):
            raise Mistake(f"unknown error {name}")

    def check_field(self, field):
        if field.kind not in FIELD_KINDS and not any(e.name == field.kind for e in self.abi.enums):
            raise Mistake(f"unknown kind '{field.kind}' ({', '.join(FIELD_KINDS)}, or an enum)")

    def finish(self):
        for self.where, function in self.later:
            try:
                function()
            except Mistake as mistake:
                self.errors.append(f"{self.where}: {mistake}")
        for group in self.abi.flags + self.abi.enums:
            if not group.members:
                self.errors.append(f"{group.where}: {group.keyword} {group.name} is empty")


def parse(paths):
    """Returns (abi, list of errors); the ABI is complete only when there are none."""
    parser = Parser()
    for path in paths:
        parser.parse_file(path)
    parser.finish()
    return parser.abi, parser.errors
