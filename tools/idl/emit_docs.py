# SPDX-License-Identifier: MIT
"""The same facts for people and tools: docs/abi.md, test/abi/summary.txt, abi.json."""
import json

from .emit_c import literal


def cell(text):
    return text.replace("|", "\\|").replace("<", "&lt;")


def table(columns, rows):
    out = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    out += ["| " + " | ".join(cell(str(c)) for c in row) + " |" for row in rows]
    return "\n".join(out) + "\n\n"


def code(text):
    return f"`{text}`" if text else ""


def signature(call):
    """name(arguments) -> results"""
    arguments = []
    for a in call.args:
        if a.keyword == "cap":
            arguments.append(f"{a.name}: {a.type}.{'|'.join(a.rights)}{'?' if a.optional else ''}")
        else:
            arguments.append(a.name)
    text = f"{call.name}({', '.join(arguments)})"
    return text + (f" -> {', '.join(o.name for o in call.outs)}" if call.outs else "")


def details(call):
    """One line per documented argument and result."""
    lines = [f"- {code(a.name)}: {a.doc}\n" for a in call.args if a.doc]
    lines += [f"- -> {code(o.name)}: {o.doc}\n" for o in call.outs if o.doc]
    return "".join(lines) + ("\n" if lines else "")


def groups(kind, members, number):
    out = []
    for g in kind:
        out.append(f"### {g.name}_*\n\n{g.doc[:1].upper() + g.doc[1:]}.\n\n")
        out.append(table(("Name", members, ""), [(code(f"{g.name}_{m.name}"), number(m), m.doc) for m in g.members]))
    return "".join(out)


def markdown_types(abi):
    out = ["## Object types and rights\n\nOne bit per (type, right), unique over all types: type and rights are one test.\n\n"]
    rows = []
    for t in abi.types:
        rows.append((code(f"TYPE_{t.name}"), t.id, f"{t.size} bytes", t.doc))
        rows += [(code(f"RIGHT_{t.name}_{r.name}"), f"bit {r.bit}", "", r.doc) for r in t.rights]
    return "".join(out) + table(("Name", "Id", "Size", ""), rows)


def markdown_syscalls(abi):
    out = ["## System calls\n\nArguments go in R_CAP, R_LABEL, R_W0 ... in the order written, the status comes back in R_STATUS and "
           "results from R_LABEL on (docs/internals.md).\n`name: TYPE.RIGHT` is a capability (`?`: 0 gives none); it implies the "
           "errors BADCAP, TYPE and PERM.\n\n"]
    for c in abi.syscalls:
        out.append(f"### {c.id}. {c.name}\n\n")
        if not c.ipc:
            out.append(f"    {signature(c)}\n\n")
        out.append(f"{c.doc[:1].upper() + c.doc[1:]}.\n\n{details(c)}")
        if c.errors:
            out.append(f"Errors: {' '.join(c.errors)}.\n\n")
    return "".join(out)


def markdown_protocols(abi):
    out = ["## Protocols\n\nA request's label is `protocol << 16 | op`, a reply's 0 or -ERR. At most 8 words each way.\n\n"]
    for p in abi.protocols:
        out.append(f"### {p.name} (protocol {p.id})\n\n{p.doc[:1].upper() + p.doc[1:]}.\n\n")
        for o in p.ops:
            out.append(f"**{p.name}.{o.name}** (label {o.label:#x}{', idempotent' if o.idempotent else ''}): {o.doc}\n\n")
            out.append(f"    {signature(o)}\n\n{details(o)}")
            if o.errors:
                out.append(f"Errors: {' '.join(o.errors)}.\n\n")
    return "".join(out)


def markdown_records(abi):
    out = ["## Records in shared memory\n\n"]
    for r in abi.records:
        out.append(f"### struct {r.name} ({r.size} bytes)\n\n{r.doc[:1].upper() + r.doc[1:]}.\n\n")
        rows = [(f.offset, f"{f.kind}{f'[{f.count}]' if f.count else ''}", code(f.name), f.doc) for f in r.fields]
        out.append(table(("Offset", "Type", "Field", ""), rows))
    return "".join(out)


def markdown_events(abi):
    rows = [(f"{e.id:#x}", code(e.name), ", ".join(f"{f.name} ({f.kind})" if f.kind != "dec" else f.name for f in e.fields), e.doc)
            for e in abi.events]
    return "## Trace events\n\nGroup = id >> 4. Each record also has time, hart, thread and flow.\n\n" + table(
        ("Id", "Event", "Payload", ""), rows)


def markdown(abi):
    """docs/abi.md"""
    out = ["# The ABI\n\nGenerated from `lib/abi/*.idl` by `tools/idlc.py --update`: do not edit. How the language works: "
           "`lib/abi/README.md`.\n\n"]
    out.append("## Errors\n\nNegative on the wire (`-ERR_NOMEM`); libc turns them into the errno named.\n\n")
    out.append(table(("Name", "Number", "errno", ""), [(code(f"ERR_{e.name}"), e.id, e.errno, e.doc) for e in abi.errors]))
    out += [markdown_types(abi), markdown_syscalls(abi), markdown_protocols(abi), markdown_records(abi), markdown_events(abi)]
    out.append("## Constants\n\n")
    out.append(table(("Name", "Value", ""), [(code(c.name), literal(c.value).strip("()"), c.doc) for c in abi.consts]))
    out.append("## Flags\n\n" + groups(abi.flags, "Bit", lambda m: m.bit))
    out.append("## Enumerations\n\n" + groups(abi.enums, "Value", lambda m: m.value))
    return "".join(out).rstrip("\n") + "\n"


def summary_call(kind, call, extra):
    errors = f" ! {' '.join(call.errors)}" if call.errors else ""
    return f"{kind} #{call.id} {signature(call)}{extra}{errors}"


def summary(abi):
    """test/abi/summary.txt: one line per entry, so that a review sees every change of the ABI."""
    lines = [f"error {e.name} {e.id} {e.errno}" for e in abi.errors]
    lines += [f"const {c.name} {literal(c.value)}" for c in abi.consts]
    lines += [f"flag {g.name}_{m.name} {m.bit}" for g in abi.flags for m in g.members]
    lines += [f"value {g.name}_{m.name} {m.value}" for g in abi.enums for m in g.members]
    for t in abi.types:
        lines.append(f"type {t.name} #{t.id} size {t.size}")
        lines += [f"right {t.name}.{r.name} {r.bit}" for r in t.rights]
    lines += [summary_call("syscall", c, " ipc" if c.ipc else "") for c in abi.syscalls]
    for p in abi.protocols:
        lines.append(f"protocol {p.name} #{p.id}")
        lines += [summary_call(f"op {p.name}", o, " idempotent" if o.idempotent else "") for o in p.ops]
    for r in abi.records:
        lines.append(f"record {r.name} size {r.size}")
        lines += [f"field {r.name}.{f.name} {f.kind} offset {f.offset} size {f.size}" for f in r.fields]
    for e in abi.events:
        fields = "".join(f" {f.name}:{f.kind}" for f in e.fields)
        lines.append(f"event {e.name} {e.id:#x}{fields}")
    return "\n".join(lines) + "\n"


def json_calls(calls):
    return [{"name": c.name, "id": c.id, "doc": c.doc, "errors": c.errors, "out": [o.name for o in c.outs],
             "in": [{"name": a.name, "type": a.type, "rights": a.rights} if a.keyword == "cap" else {"name": a.name}
                    for a in c.args]} for c in calls]


def json_text(abi):
    """abi.json: what the host tools need."""
    data = {
        "errors": [{"name": e.name, "id": e.id, "errno": e.errno, "doc": e.doc} for e in abi.errors],
        "consts": {c.name: c.value for c in abi.consts},
        "flags": {g.name: {m.name: 1 << m.bit for m in g.members} for g in abi.flags},
        "enums": {g.name: {m.name: m.value for m in g.members} for g in abi.enums},
        "types": [{"name": t.name, "id": t.id, "size": t.size, "rights": {r.name: r.bit for r in t.rights}} for t in abi.types],
        "syscalls": json_calls(abi.syscalls),
        "protocols": [{"name": p.name, "id": p.id, "ops": json_calls(p.ops)} for p in abi.protocols],
        "records": {r.name: {"size": r.size, "fields": [{"name": f.name, "type": f.kind, "count": f.count, "offset": f.offset,
                                                         "size": f.size} for f in r.fields]} for r in abi.records},
        "events": [{"name": e.name, "id": e.id, "doc": e.doc, "fields": [{"name": f.name, "kind": f.kind} for f in e.fields]}
                   for e in abi.events],
    }
    return json.dumps(data, indent=1) + "\n"
