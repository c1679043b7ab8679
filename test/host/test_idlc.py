# SPDX-License-Identifier: MIT
"""Tests of the ABI generator: every mistake it reports, and that what it generates compiles and works."""
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))

import idlc  # noqa: E402
from idl.parse import parse  # noqa: E402

IDL = [os.path.join(ROOT, "lib/abi", name) for name in sorted(os.listdir(os.path.join(ROOT, "lib/abi"))) if name.endswith(".idl")]
# compiler, its flags, the system call instruction, a pattern of instructions that reach memory but for saving registers
ARCHITECTURES = {
    "riscv64": ("riscv64-unknown-elf-", ["-ffreestanding", "-misa-spec=2.2", "-march=rv64imac", "-mabi=lp64", "-mcmodel=medany"], "ecall",
                r"\t(sd|ld|sw|lw)\t"),
    "x86_64": ("x86_64-linux-gnu-", ["-ffreestanding", "-mno-red-zone", "-fno-pic", "-fcf-protection=none"], "syscall",
               r"\tmov.*[(].*[)]"),
}

GOOD = """# a small ABI
error PERM 1 EPERM : Not allowed.
error INVAL 22 EINVAL : Bad argument.
error NOSYS 38 ENOSYS : No such call.
const CAP_NULL 0 : no capability
const MSG_WORDS 8 : words of a message
const BIG ((1 << 54) - MSG_WORDS) : a large number
flags PROT : protection
  flag READ 0 : loads
  flag FAR 40 : a bit beyond an int
enum COLOUR : colours
  value RED 0 : red
  value BLUE 2 : blue
type POOL #1 size 256 : frames
  right ALLOC 0 : allocate
  right MAP 1 : map
type SPACE #2 size 1024 : addresses
  right MODIFY 2 : change
  right LOOK 3 : look
syscall call #0 ipc : send and wait
syscall notify #1 ipc : set bits
syscall wait #2 ipc : wait for bits
syscall reply_recv #3 ipc : answer and receive
syscall reply_map_recv #4 ipc : answer with a mapping and receive
syscall reply #5 ipc : answer
syscall recv #6 ipc : receive
syscall map #7 : map frames
  cap space SPACE MODIFY|LOOK : where
  in va
  cap pool POOL MAP optional : whose frames
  in count
  out done : entries written
  out left
  errors INVAL
syscall poke #8 : nothing comes back
  in value
  errors INVAL
protocol store #3 : keeps numbers
  op put #1 : keep a number
    in key
    in value
    errors INVAL
  op get #2 idempotent : find a number
    in key
    out value
    out age
    errors INVAL
  retired 3
record inner : one
  u32 a : first
  u8 b[4] : bytes
record outer : two
  u64 x
  inner parts[2] : structs
event tick #0x10 : a tick
  field at hex
  field colour COLOUR
retired syscall 9
"""

# What is appended to GOOD (or replaced in it) and the message that must come back.
MISTAKES = [
    ("error PERM 2 EPERM : Again.", "the name ERR_PERM is already defined at"),
    ("error OTHER 1 EPERM : Same number.", "error number 1 is already defined at"),
    ("error ZERO 0 EOK : Zero.", "error 0 means success"),
    ("error LOST 7 7 : No errno.", "'7' is not an errno name"),
    ("error lower 9 EIO : Case.", "'lower' is not an upper-case name"),
    ("error SHORT 9 : Words missing.", "missing errno"),
    ("error MORE 9 EIO 3 : Words too many.", "unexpected '3'"),
    ("error QUIET 9 EIO", "error QUIET has no doc sentence"),
    ("const QUIET 9", "const QUIET has no doc sentence"),
    ("const NOTHING : No value.", "missing name or value"),
    ("const C UNKNOWN + 1 : Unknown.", "unknown constant UNKNOWN"),
    ("const C 1 + : Syntax.", "bad expression"),
    ("const C f(1) : A call.", "bad expression"),
    ("const C 1 << 64 : Too large.", "does not fit in a word"),
    ("const BIG 1 : Twice.", "the name BIG is already defined at"),
    ("flags PROT : Twice.", "the group PROT is already defined at"),
    ("flags EMPTY : Nothing in it.", "flags EMPTY is empty"),
    ("flags F : Bits.\n  flag A 0 : a\n  flag B 0 : b", "bit 0 of F is already defined at"),
    ("flags F : Bits.\n  flag A 64 : a", "bit 64 is out of range"),
    ("flags F : Bits.\n  flag A 0", "flag A has no doc sentence"),
    ("flags F : Bits.\n  retired 4\n  flag A 4 : a", "bit 4 of F was retired"),
    ("enum E : Values.\n  value A 1 : a\n  value B 1 : b", "value 1 of E is already defined at"),
    ("enum E : Values.\n  value A 1 : a\n  value A 2 : b", "the name E_A is already defined at"),
    ("enum E shared : Values.\n  retired 1\n  value A 1 : a", "value 1 of E was retired"),
    ("enum E other : Values.", "unexpected 'other'"),
    ("const COLOUR_RED 1 : Clashes with the enum.", "the name COLOUR_RED is already defined at"),
    ("type POOL #9 size 64 : Twice.", "the name TYPE_POOL is already defined at"),
    ("type OTHER #1 size 64 : Same id.", "type #1 is already defined at"),
    ("type OTHER #0 size 64 : Zero.", "type 0 means no object"),
    ("type OTHER #9 size 65 : Odd.", "size 65 is not a power of two"),
    ("type OTHER #9 width 64 : Odd.", "expected 'size', found 'width'"),
    ("type OTHER #9 size 64 : Rights.\n  right R 0 : taken", "right bit 0 is already defined at"),
    ("type OTHER #9 size 64 : Rights.\n  right R 32 : far", "bit 32 is out of range"),
    ("retired right 5\ntype OTHER #9 size 64 : Rights.\n  right R 5 : r", "right bit 5 was retired"),
    ("syscall map #20 : Twice.", "the name NR_MAP is already defined at"),
    ("syscall other #7 : Same id.", "syscall #7 is already defined at"),
    ("syscall other #9 : Retired id.", "syscall #9 was retired"),
    ("syscall other #256 : Beyond the flags.", "syscall #256 is out of range"),
    ("syscall other #20", "syscall other has no doc sentence"),
    ("syscall other #20 ipc : Hand-written.\n  in a", "other is an ipc call"),
    ("syscall other #20 : Args.\n" + "".join(f"  in a{i}\n" for i in range(11)), "other has more than 10 arguments"),
    ("syscall other #20 : Results.\n" + "".join(f"  out a{i}\n" for i in range(10)), "other has more than 9 results"),
    ("syscall other #20 : Args.\n  in a\n  in a", "argument a is there twice"),
    ("syscall other #20 : Results.\n  out a\n  out a", "result a is there twice"),
    ("syscall other #20 : Args.\n  in register", "'register' is a word of C"),
    ("syscall other #20 : Args.\n  cap c NONE ALLOC", "unknown type NONE"),
    ("syscall other #20 : Args.\n  cap c POOL MODIFY", "unknown right MODIFY of POOL"),
    ("syscall other #20 : Args.\n  cap c POOL ALLOC perhaps", "unexpected 'perhaps'"),
    ("syscall other #20 : Errors.\n  errors LOST", "unknown error LOST"),
    ("syscall other #20 : Errors.\n  errors INVAL INVAL", "error INVAL is there twice"),
    ("syscall other #20 : Errors.\n  errors", "missing error names"),
    ("protocol store #9 : Twice.", "the name PROTO_STORE is already defined at"),
    ("protocol other #3 : Same id.", "protocol #3 is already defined at"),
    ("protocol other #0 : Zero.", "protocol 0 is the kernel's notification label"),
    ("protocol p #9 : Ops.\n  op a #1 : a\n  op b #1 : b", "op #1 of p is already defined at"),
    ("protocol p #9 : Ops.\n  op a #1 : a\n  op a #2 : b", "the name OP_P_A is already defined at"),
    ("protocol p #9 : Ops.\n  op a #1", "op a has no doc sentence"),
    ("protocol p #9 : Ops.\n  op a #1 : a\n  retired 2\n  op b #2 : b", "op #2 of p was retired"),
    ("protocol p #9 : Ops.\n  op a #1 : a\n" + "".join(f"    in a{i}\n" for i in range(9)), "a has more than 8 words"),
    ("protocol p #9 : Ops.\n  op a #1 : a\n" + "".join(f"    out a{i}\n" for i in range(9)), "a has more than 8 results"),
    ("protocol p #9 : Ops.\n  op a #1 : a\n  in x", "'in' is indented wrongly under 'op a'"),
    ("record outer : Twice.\n  u64 a", "record outer is already defined at"),
    ("record r : Padding.\n  u8 a\n  u64 b", "7 bytes of padding before b"),
    ("record r : Tail.\n  u64 a\n  u8 b", "record r needs 7 bytes of padding at its end"),
    ("record r : Empty.", "record r is empty"),
    ("record r : Unknown.\n  u128 a", "unknown type 'u128'"),
    ("record r : Itself.\n  r a", "unknown type 'r'"),
    ("record r : Twice.\n  u32 a\n  u32 a", "field a is there twice"),
    ("record r : Count.\n  u32 a[0]", "field a has 0 elements"),
    ("record r : Shape.\n  u32 a[", "a field of a record is"),
    ("event tick #0x11 : Twice.", "the name EVENT_TICK is already defined at"),
    ("event tock #0x10 : Same id.", "event #0x10 is already defined at"),
    ("event tock #0x400 : Group 64.", "event #0x400 is outside the 64 groups"),
    ("event tock #0x11 : Fields.\n  field a\n  field b\n  field c\n  field d", "tock has more than 3 payload words"),
    ("event tock #0x11 : Fields.\n  field a\n  field a", "field a is there twice"),
    ("event tock #0x11 : Fields.\n  field a NOWHERE", "unknown kind 'NOWHERE'"),
    ("retired syscall 7", "id 7 is already defined at"),
    ("retired 7", "write 'retired"),
    ("nonsense here", "unknown keyword 'nonsense'"),
    ("  flag A 1 : lost", "'flag' does not belong here"),
    (" enum E : Indented.", "'enum' starts at the left margin"),
    ("enum E : Values.\n    value A 1 : a", "'value' is indented wrongly under 'enum E'"),
    ("enum E : Values.\n\tvalue A 1 : a", "tabs are not part of the language"),
]

KERNEL = """
#include <abi/kernel.h>
#include <stdio.h>
struct ctx { u64 arg[10], result[9]; };
struct captable;
struct thread { struct captable *captable; struct ctx ctx; };
struct cap { u32 bits; };
static struct cap caps[] = { { 0 }, { RIGHT_SPACE_LOOK }, { RIGHT_POOL_MAP }, { RIGHT_POOL_ALLOC } };
static inline u64 ctx_arg(struct ctx *c, int i) { return c->arg[i]; }
static inline void ctx_set_result(struct ctx *c, int i, u64 v) { c->result[i] = v; }
static err_t cap_find(struct captable *ct, u64 index, u32 rights, u32 type_rights, struct cap **out)
{
	(void)ct;
	*out = &caps[index];
	return caps[index].bits & rights ? 0 : caps[index].bits & type_rights ? -1 : -201;
}
#include <abi/kernel_decode.inc>
err_t sys_map(struct thread *t, struct cap *space, u64 va, struct cap *pool, u64 count, u64 *out)
{
	(void)t;
	out[0] = va + count;
	out[1] = (space - caps) * 10 + (pool ? pool - caps : 9);
	return -ERR_INVAL;
}
err_t sys_poke(struct thread *t, u64 value) { (void)t; return (err_t)value; }
static void run(u64 nr, u64 a, u64 b, u64 c, u64 d)
{
	struct thread t = { NULL, { { a, b, c, d }, { 77, 77 } } };
	err_t err = syscall_decode(&t, nr);

	printf("%d %lu %lu\\n", err, (unsigned long)t.ctx.result[0], (unsigned long)t.ctx.result[1]);
}
int main(void)
{
	run(NR_MAP, 1, 100, 2, 5);
	run(NR_MAP, 1, 100, CAP_NULL, 5);
	run(NR_MAP, 1, 100, 3, 5);
	run(NR_MAP, 2, 100, 2, 5);
	run(NR_POKE, 3, 0, 0, 0);
	run(NR_CALL, 1, 2, 3, 4);
	run(1 << 20, 1, 2, 3, 4);
	return 0;
}
"""
KERNEL_PRINTS = ["-22 105 12", "-22 105 19", "-1 77 77", "-201 77 77", "3 77 77", "-38 77 77", "-38 77 77"]

SERVER = """
#include <abi/store_server.h>
#include <abi/abi_names.h>
#include <abi/abi_errno.h>
#include <stdio.h>
err_t store_op_put(struct request *rq, u64 key, u64 value) { (void)rq; return key == value ? PARKED : -ERR_INVAL; }
err_t store_op_get(struct request *rq, u64 key, u64 *out_value, u64 *out_age)
{
	*out_value = key * 2;
	*out_age = rq->badge;
	return 0;
}
static void run(u64 label, u64 w0, u64 w1)
{
	struct request rq = { .label = label, .w = { w0, w1, 5 }, .badge = 6, .reply = 9 };

	store_dispatch(&rq);
	printf("%ld %lu %lu %lu %lu\\n", (long)rq.label, (unsigned long)rq.w[0], (unsigned long)rq.w[1], (unsigned long)rq.w[2],
	       (unsigned long)rq.reply);
}
int main(void)
{
	struct request late = store_reply_get(12, -ERR_PERM, 3, 4);

	run(OP_STORE_GET, 21, 0);
	run(OP_STORE_GET | 1ul << 31, 22, 0);
	run(OP_STORE_PUT, 1, 2);
	run(OP_STORE_PUT, 2, 2);
	run(OP_STORE_PUT + 7, 2, 2);
	printf("%ld %lu %lu %lu\\n", (long)late.label, (unsigned long)late.w[0], (unsigned long)late.w[1], (unsigned long)late.reply);
	printf("%s %s %s %s %s %s\\n", err_name(-ERR_INVAL), op_name(OP_STORE_GET), syscall_name(7), right_name(3),
	       event_field(EVENT_TICK, 1), event_name(99));
	printf("%d %d\\n", err_errno(-ERR_NOSYS) == ENOSYS, err_errno(0));
	return BIG != 18014398509481976 || PROT_FAR >> 40 != 1 || sizeof(struct outer) != 24;
}
"""
SERVER_PRINTS = ["0 42 6 0 9", "-38 0 0 0 9", "-22 0 0 0 9", f"{3 << 16 | 1} 2 2 5 0", "-38 0 0 0 9", "-1 3 4 12",
                 "INVAL store.get map LOOK colour ?", "1 0"]


class Folder(unittest.TestCase):
    """Each test has a folder of its own."""

    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def main(self, *argv):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = idlc.main(list(argv))
        return status, out.getvalue(), err.getvalue()

    def compile_and_run(self, text):
        source, program = self.write("t.c", text), os.path.join(self.dir, "t")
        subprocess.run(["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", f"-I{self.dir}",
                        f"-I{ROOT}/lib", source, "-o", program], check=True)
        return subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines()


class Mistakes(Folder):
    def test_good_input_has_none(self):
        _, errors = parse([self.write("good.idl", GOOD)])
        self.assertEqual(errors, [])

    def test_each_mistake_is_reported_with_its_line(self):
        lines = GOOD.count("\n")
        for text, message in MISTAKES:
            with self.subTest(text):
                _, errors = parse([self.write("bad.idl", GOOD + text + "\n")])
                found = [e for e in errors if message in e]
                self.assertTrue(found, f"{errors} lacks '{message}'")
                self.assertRegex(found[0], r"bad\.idl:\d+: ")
                self.assertGreater(int(found[0].split(":")[1]), lines)

    def test_all_mistakes_are_reported_at_once(self):
        path = self.write("bad.idl", "error A 1 EIO\nerror B 1\n")
        status, _, err = self.main("--out", self.dir, path)
        self.assertEqual(status, 1)
        self.assertEqual(err.count("bad.idl:"), 2)
        self.assertFalse(os.path.exists(os.path.join(self.dir, "abi")))

    def test_names_are_global_over_files(self):
        one, two = self.write("10.idl", "const A 1 : one\n"), self.write("20.idl", "const A 2 : two\nconst B A : both\n")
        _, errors = parse([one, two])
        self.assertEqual(len(errors), 1)
        self.assertRegex(errors[0], r"20\.idl:1: the name A is already defined at .*10\.idl:1")


class Output(Folder):
    def setUp(self):
        super().setUp()
        status, _, err = self.main("--out", self.dir, self.write("good.idl", GOOD))
        self.assertEqual((status, err), (0, ""))

    def test_kernel_decodes(self):
        self.assertEqual(self.compile_and_run(KERNEL), KERNEL_PRINTS)

    def test_server_dispatches(self):
        self.assertEqual(self.compile_and_run(SERVER), SERVER_PRINTS)

    def test_missing_handler_does_not_link(self):
        text = "#include <abi/store_server.h>\nint main(void)\n{\n\tstruct request rq = { 0 };\n\tstore_dispatch(&rq);\n}\n"
        source = self.write("t.c", text)
        result = subprocess.run(["gcc", f"-I{self.dir}", f"-I{ROOT}/lib", source, "-o", source + ".out"], capture_output=True,
                                text=True, check=False)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("store_op_put", result.stderr)

    def test_json(self):
        with open(os.path.join(self.dir, "abi/abi.json"), encoding="utf-8") as f:
            data = json.load(f)
        self.assertEqual(data["enums"]["COLOUR"]["BLUE"], 2)
        self.assertEqual(data["records"]["outer"]["fields"][1]["offset"], 8)
        self.assertEqual(data["events"][0]["fields"][1], {"name": "colour", "kind": "COLOUR"})

    def test_check_finds_changes(self):
        path = self.write("good.idl", GOOD)
        args = ("--root", self.dir, path)
        self.assertEqual(self.main("--check", *args)[0], 1)
        self.assertEqual(self.main("--update", *args)[0], 0)
        self.assertEqual(self.main("--check", *args), (0, "", ""))
        self.write("good.idl", GOOD.replace("BLUE 2", "BLUE 3"))
        status, out, err = self.main("--check", *args)
        self.assertEqual(status, 1)
        self.assertIn("-value COLOUR_BLUE 2", out)
        self.assertIn("+value COLOUR_BLUE 3", out)
        self.assertIn("--update", err)


class TheAbi(Folder):
    """The real IDL: checked in and generated files agree, and all headers compile everywhere."""

    def test_checked_in_files_agree(self):
        self.assertEqual(self.main("--check", *IDL), (0, "", ""))

    def compile(self, command, name, text):
        source = self.write(name, text)
        flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{self.dir}", f"-I{ROOT}/lib", f"-I{ROOT}/user"]
        subprocess.run(command + flags + ["-c", source, "-o", source + ".o"], check=True)

    def test_headers_compile(self):
        self.assertEqual(self.main("--out", self.dir, *IDL)[0], 0)
        headers = os.listdir(os.path.join(self.dir, "abi"))
        shared = [h for h in headers if h.endswith(".h") and not h.endswith("_client.h") and h not in ("stubs.h", "abi_errno.h")]
        user = [h for h in headers if h.endswith("_client.h") or h == "stubs.h"]
        compilers = [["gcc"], ["clang"]] if shutil.which("clang") else [["gcc"]]
        for arch, (prefix, flags, _, _) in ARCHITECTURES.items():
            if shutil.which(prefix + "gcc"):
                cross = [prefix + "gcc", *flags, f"-I{ROOT}/user/rt/arch/{arch}"]
                compilers.append(cross)
                self.compile(cross, "const.S", "#include <abi/abi_const.h>\n\t.quad NR_RECV, FILES_BUFFER\n")
                self.compile(cross, "user.c", "".join(f"#include <abi/{h}>\n" for h in user))
        for compiler in compilers:
            self.compile(compiler, "shared.c", "".join(f"#include <abi/{h}>\n" for h in shared))

    def test_stubs_stay_in_registers(self):
        """A stub must not touch memory but for its results: its message lives in registers."""
        self.main("--out", self.dir, *IDL)
        text = "#include <abi/vm_client.h>\nu64 f(cptr_t ep)\n{\n\tu64 a;\n\n\treturn vm_mmap(ep, 1, 2, 3, 4, 5, 6, &a) ? 0 : a;\n}\n"
        for arch, (prefix, flags, instruction, memory) in ARCHITECTURES.items():
            if not shutil.which(prefix + "gcc"):
                continue
            self.compile([prefix + "gcc", *flags, f"-I{ROOT}/user/rt/arch/{arch}"], "f.c", text)
            listing = subprocess.run([prefix + "objdump", "-d", os.path.join(self.dir, "f.c.o")], check=True,
                                     capture_output=True, text=True).stdout
            self.assertEqual(listing.count("\t" + instruction), 1)
            self.assertNotRegex(listing, memory)
            self.assertLess(listing.count("\n"), 55)


if __name__ == "__main__":
    unittest.main()
