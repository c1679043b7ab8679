# SPDX-License-Identifier: MIT
"""Calls and their other ends: kernel decode, user stubs, protocol clients and servers."""
from .emit_c import header, quote

COLUMNS = 120


def wrap(text, tail=""):
    """A declaration or call in at most 120 columns; continuation lines are indented by two tabs."""
    if len(text.expandtabs(8)) + len(tail) <= COLUMNS:
        return text + tail
    indent = "\t" * (len(text) - len(text.lstrip("\t")) + 2)
    lines, line = [], ""
    for part in text.replace(", ", ",\n").split("\n"):
        candidate = f"{line} {part}" if line else (part if not lines else indent + part)
        if len(candidate.expandtabs(8)) + len(tail) > COLUMNS and line:
            lines.append(line)
            line = indent + part
        else:
            line = candidate
    return "\n".join(lines + [line]) + tail


# Kernel

def kernel_signature(call):
    parameters = ["struct thread *t"]
    parameters += [f"struct cap *{a.name}" if a.keyword == "cap" else f"u64 {a.name}" for a in call.args]
    if call.outs:
        parameters.append("u64 *out")
    return f"err_t sys_{call.name}({', '.join(parameters)})"


def kernel_prototypes(abi):
    """kernel.h: the handlers that the kernel has to write."""
    out = [header("The handlers of the system calls; kernel only."), "#include <abi/abi.h>\n\nstruct thread;\nstruct cap;\n"]
    for call in abi.syscalls:
        if call.ipc:
            continue
        out.append(f"\n/* {quote(call.doc)}")
        if call.outs:
            out.append("; out: " + ", ".join(o.name for o in call.outs))
        out.append(" */\n" + wrap(kernel_signature(call), ";") + "\n")
    return "".join(out)


def decode_cap(index, cap):
    """The look-up of one capability argument."""
    rights = " | ".join(f"RIGHT_{cap.type}_{r}" for r in cap.rights)
    find = f"\terr = cap_find(t->captable, ctx_arg(&t->ctx, {index}), {rights}, RIGHTS_{cap.type}, &{cap.name});"
    if not cap.optional:
        return wrap(find) + "\n\tif (err)\n\t\treturn err;\n"
    return (f"\tif (ctx_arg(&t->ctx, {index}) != CAP_NULL) {{\n" + wrap("\t" + find) +
            "\n\t\tif (err)\n\t\t\treturn err;\n\t}\n")


def decode_function(call):
    out = [f"static err_t decode_{call.name}(struct thread *t)\n{{\n"]
    for cap in call.args:
        if cap.keyword == "cap":
            out.append(f"\tstruct cap *{cap.name}{' = NULL' if cap.optional else ''};\n")
    if call.outs:
        out.append(f"\tu64 out[{len(call.outs)}] = {{ 0 }};\n")
    out.append("\terr_t err;\n\n")
    out += [decode_cap(i, a) for i, a in enumerate(call.args) if a.keyword == "cap"]
    arguments = ["t"] + [a.name if a.keyword == "cap" else f"ctx_arg(&t->ctx, {i})" for i, a in enumerate(call.args)]
    if call.outs:
        arguments.append("out")
    invoke = f"sys_{call.name}({', '.join(arguments)});"
    if not call.outs:
        return "".join(out).replace("\terr_t err;\n\n", "\terr_t err;\n\n" if any(
            a.keyword == "cap" for a in call.args) else "") + wrap(f"\treturn {invoke}") + "\n}\n\n"
    out.append(wrap(f"\terr = {invoke}") + "\n")
    out += [f"\tctx_set_result(&t->ctx, {i}, out[{i}]);\n" for i in range(len(call.outs))]
    out.append("\treturn err;\n}\n\n")
    return "".join(out)


def kernel_decode(abi):
    """kernel_decode.inc: included by kernel/syscall.c, which has ctx_arg, ctx_set_result and cap_find."""
    calls = [c for c in abi.syscalls if not c.ipc]
    out = [header("Arguments, rights checks and results of the system calls; included by kernel/syscall.c.", once=False)]
    out += [decode_function(c) for c in calls]
    out.append("static err_t (*const syscall_table[NR_COUNT])(struct thread *t) = {\n")
    out += [f"\t[NR_{c.name.upper()}] = decode_{c.name},\n" for c in calls]
    out.append("};\n\n/* Runs system call `nr` for t: arguments from its registers, results into them; the status is returned. */\n")
    out.append("static inline err_t syscall_decode(struct thread *t, u64 nr)\n{\n")
    out.append("\tif (nr >= NR_COUNT || !syscall_table[nr])\n\t\treturn -ERR_NOSYS;\n\treturn syscall_table[nr](t);\n}\n")
    return "".join(out)


# User

def stub_comment(call, extra=""):
    errors = f" Errors: {' '.join(call.errors)}." if call.errors else ""
    return f"/* {quote(call.doc)}.{extra}{errors} */\n"


def out_parameters(call):
    return [f"u64 *out_{o.name}" for o in call.outs]


def store_outs(call, source, first):
    """Results go where the caller wants them; NULL: not wanted."""
    return "".join(f"\tif (out_{o.name})\n\t\t*out_{o.name} = {source}[{i + first}];\n" for i, o in enumerate(call.outs))


def syscall_stub(call):
    parameters = [("cptr_t " if a.keyword == "cap" else "u64 ") + a.name for a in call.args] + out_parameters(call)
    out = [stub_comment(call), wrap(f"RT_INLINE err_t sys_{call.name}({', '.join(parameters)})") + "\n{\n"]
    out.append(wrap(f"\tu64 r[10] = {{ {', '.join(a.name for a in call.args)} }};") + "\n")
    invoke = f"arch_syscall(NR_{call.name.upper()}, {len(call.args)}, r);"
    if not call.outs:
        return "".join(out) + f"\n\treturn {invoke}\n}}\n\n"
    out.append(f"\terr_t err = {invoke}\n\n" + store_outs(call, "r", 1) + "\treturn err;\n}\n\n")
    return "".join(out)


def syscall_stubs(abi):
    """stubs.h: one inline function per system call; IPC itself is in rt/ipc.h."""
    out = [header("User stubs of the system calls; an out_ pointer may be NULL."), "#include <rt/ipc.h>\n\n"]
    out += [syscall_stub(c) for c in abi.syscalls if not c.ipc]
    return "".join(out).rstrip("\n") + "\n"


def client_stub(protocol, op):
    ins = [f"u64 {a.name}" for a in op.args]
    parameters = ["cptr_t ep", "u64 flow"] + ins + out_parameters(op)
    name = f"{protocol.name}_{op.name}"
    label = f"OP_{protocol.name.upper()}_{op.name.upper()}"
    words = f" .w = {{ {', '.join(a.name for a in op.args)} }}," if op.args else ""
    out = [stub_comment(op, " Safe to repeat." if op.idempotent else "")]
    out.append(wrap(f"RT_INLINE err_t {name}_flow({', '.join(parameters)})") + "\n{\n")
    out.append(wrap(f"\tstruct request rq = {{ .label = {label},{words} .flow = flow }};") + "\n")
    out.append("\terr_t err = ipc_call(ep, &rq);\n\n\tif (err)\n\t\treturn err;\n")
    out.append(store_outs(op, "rq.w", 0) + "\treturn (err_t)rq.label;\n}\n\n")
    plain = ["cptr_t ep"] + ins + out_parameters(op)
    arguments = ["ep", "0"] + [a.name for a in op.args] + [f"out_{o.name}" for o in op.outs]
    out.append(wrap(f"RT_INLINE err_t {name}({', '.join(plain)})") + "\n{\n")
    out.append(wrap(f"\treturn {name}_flow({', '.join(arguments)});") + "\n}\n\n")
    return "".join(out)


def protocol_client(protocol):
    """PROTO_client.h."""
    out = [header(f"Client stubs of the protocol {protocol.name}; an out_ pointer may be NULL.")]
    out.append(f"#include <rt/ipc.h>\n\n/*\n * A stub sends its operation to `ep` in a fresh flow; the _flow variants "
               "carry on a given one\n * (a server that calls another for a request passes the request's flow).\n */\n\n")
    out += [client_stub(protocol, op) for op in protocol.ops]
    return "".join(out).rstrip("\n") + "\n"


def handler_signature(protocol, op):
    parameters = ["struct request *rq"] + [f"u64 {a.name}" for a in op.args] + out_parameters(op)
    return f"err_t {protocol.name}_op_{op.name}({', '.join(parameters)})"


def dispatch_case(protocol, op):
    arguments = ["rq"] + [f"rq->w[{i}]" for i in range(len(op.args))] + [f"&out[{i}]" for i in range(len(op.outs))]
    return (f"\tcase OP_{protocol.name.upper()}_{op.name.upper()}:\n" +
            wrap(f"\t\terr = {protocol.name}_op_{op.name}({', '.join(arguments)});") + "\n\t\tbreak;\n")


def reply_function(protocol, op):
    parameters = ["u64 reply", "err_t err"] + [f"u64 {o.name}" for o in op.outs]
    words = f" .w = {{ {', '.join(o.name for o in op.outs)} }}," if op.outs else ""
    return (wrap(f"static inline struct request {protocol.name}_reply_{op.name}({', '.join(parameters)})") + "\n{\n" +
            wrap(f"\treturn (struct request){{ .label = (u64)(s64)err,{words} .reply = reply }};") + "\n}\n\n")


def protocol_server(protocol):
    """PROTO_server.h."""
    name = protocol.name
    out = [header(f"Server side of the protocol {name}.")]
    out.append("#include <pager/request.h>\n\n/* The handlers. They return 0, -ERR_x, or PARKED when they kept rq->reply to answer "
               "later. */\n")
    out += [wrap(handler_signature(protocol, op), ";") + "\n" for op in protocol.ops]
    out.append("\n/*\n * Runs the handler of the request in rq and leaves the answer there: label, words, and reply 0 when it was "
               "parked.\n * A handler may change rq->caps to send a capability along.\n */\n")
    out.append(f"static inline void {name}_dispatch(struct request *rq)\n{{\n\tu64 out[MSG_WORDS] = {{ 0 }};\n\terr_t err;\n\n")
    out.append("\tswitch (rq->label) {\n")
    out += [dispatch_case(protocol, op) for op in protocol.ops]
    out.append("\tdefault:\n\t\terr = -ERR_NOSYS;\n\t\tbreak;\n\t}\n")
    out.append("\tif (err == PARKED) {\n\t\trq->reply = 0;\n\t\treturn;\n\t}\n\treply_set_status(rq, err);\n")
    out.append("\tfor (int i = 0; i < MSG_WORDS; i++)\n\t\trq->w[i] = out[i];\n}\n\n")
    out.append("/* Answers for requests that were parked: hand the result to ipc_reply. */\n")
    out += [reply_function(protocol, op) for op in protocol.ops]
    return "".join(out).rstrip("\n") + "\n"
