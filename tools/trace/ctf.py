# SPDX-License-Identifier: MIT
"""The `metadata` of a CTF 1.8 trace (TSDL): packets, events and names, as the kernel writes them and the IDL calls them."""
import uuid

KINDS = {"dec": "u64", "hex": "x64", "ref": "frame_ref_t", "op": "label_t", "sys": "syscall_t", "err": "status_t", "thread": "object64_t",
         "pfn": "x64", "type": "object_type_t"}

HEAD = """/* CTF 1.8 */

typealias integer {{ size = 8; align = 8; signed = false; byte_order = le; }} := u8;
typealias integer {{ size = 16; align = 8; signed = false; byte_order = le; }} := u16;
typealias integer {{ size = 32; align = 8; signed = false; byte_order = le; }} := u32;
typealias integer {{ size = 64; align = 8; signed = false; byte_order = le; }} := u64;
typealias integer {{ size = 64; align = 8; signed = true; byte_order = le; }} := s64;
typealias integer {{ size = 32; align = 8; signed = false; base = 16; byte_order = le; }} := x32;
typealias integer {{ size = 64; align = 8; signed = false; base = 16; byte_order = le; }} := x64;

trace {{
	major = 1;
	minor = 8;
	uuid = "{uuid}";
	byte_order = le;
	packet.header := struct {{
		u32 magic;
		u8 uuid[16];
		u32 stream_id;
	}};
}};

env {{
	domain = "kernel";
	tracer_name = "jjok";
	tracer_major = 1;
	tracer_minor = 0;
}};

clock {{
	name = cycles;
	description = "cycle counter; under -icount guest instructions";
	freq = {freq};
	offset = 0;
}};

typealias integer {{ size = 64; align = 8; signed = false; byte_order = le; map = clock.cycles.value; }} := time_t;
"""

STREAM = """
stream {
	id = 0;
	packet.context := struct {
		time_t timestamp_begin;
		time_t timestamp_end;
		u64 content_size;
		u64 packet_size;
		u64 events_discarded;
		u64 packet_seq_num;
		u64 cpu_id;
	};
	event.header := struct {
		time_t timestamp;
		u16 id;
	};
	event.context := struct {
		u16 hart;
		object32_t thread;
		u64 flow;
	};
};
"""


def quote(text):
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else "?" for c in text) + '"'


def enumeration(name, container, members):
    """An enumeration type; babeltrace2 shows values that are not members as numbers."""
    rows = ",\n".join(f"\t{quote(label)} = {value}" for value, label in sorted(members.items()))
    return f"\ntypealias enum : {container} {{\n{rows}\n}} := {name};\n"


def labels(abi):
    """Requests by operation, replies by result."""
    members = {-number: f"-{name}" for number, name in abi.errors.items()}
    members[0] = "OK"
    for label, name in abi.ops.items():
        members[label] = name
    return members


def event(description):
    fields = [f"\t\t{KINDS.get(f['kind'], 'enum_' + f['kind'].lower() + '_t')} {f['name']};" for f in description["fields"]]
    # a record has three payload words whether they are used or not
    fields += [f"\t\tu64 unused{i};" for i in range(len(fields), 3)]
    return (f"\nevent {{\n\tname = {quote(description['name'])};\n\tid = {description['id']};\n\tstream_id = 0;\n"
            "\tfields := struct {\n" + "\n".join(fields) + "\n\t};\n};\n")


def metadata(abi, trace_uuid, freq, object_names):
    """The whole text; object_names: object id -> name."""
    out = [HEAD.format(uuid=uuid.UUID(bytes=trace_uuid), freq=freq)]
    named = {0: "idle", **object_names}
    out.append(enumeration("object32_t", "x32", {k: v for k, v in named.items() if k < 1 << 32}))
    out.append(enumeration("object64_t", "x64", named))
    out.append(enumeration("status_t", "s64", {0: "OK", **{-n: f"-{name}" for n, name in abi.errors.items()}}))
    out.append(enumeration("label_t", "s64", labels(abi)))
    out.append(enumeration("syscall_t", "u64", abi.syscalls))
    out.append(enumeration("object_type_t", "u64", abi.types))
    out.append("\ntypealias struct {\n\tx32 pfn;\n\tu32 generation;\n} := frame_ref_t;\n")
    used = {f["kind"] for e in abi.events.values() for f in e["fields"]} - KINDS.keys()
    out += [enumeration(f"enum_{name.lower()}_t", "u64", {v: k for k, v in abi.enums[name].items()}) for name in sorted(used)]
    out.append(STREAM)
    out += [event(abi.events[i]) for i in sorted(abi.events)]
    return "".join(out)
